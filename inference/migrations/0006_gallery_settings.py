import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0005_preview_facts"),
        ("registry", "0016_imports"),
    ]

    operations = [
        migrations.CreateModel(
            name="GallerySettings",
            fields=[
                (
                    "sample",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="registry.samplepicture",
                    ),
                ),
                ("settings", models.JSONField()),
            ],
        ),
    ]
