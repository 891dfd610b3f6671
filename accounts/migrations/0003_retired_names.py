import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_confusable_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="RetiredName",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("retired_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
    ]
