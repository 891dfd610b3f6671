from django.db import migrations, models


class Migration(migrations.Migration):
    """What a row of previews is for: rising strength, the prompt without its trigger word, further seeds."""

    dependencies = [("registry", "0010_standing_pass")]

    operations = [
        migrations.AddField(
            model_name="versionimage",
            name="shows",
            field=models.CharField(
                choices=[
                    ("strength", "one prompt at rising strength"),
                    ("plain", "a prompt without the trigger word"),
                    ("seeds", "one prompt from several seeds"),
                ],
                default="strength",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="versionimage",
            constraint=models.CheckConstraint(
                condition=models.Q(("shows__in", ["strength", "plain", "seeds"])), name="image_shows_known"
            ),
        ),
    ]
