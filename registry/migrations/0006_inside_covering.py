"""The index of what only some people see holds all that sorting it needs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0005_undeletable"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="adapter",
            name="adapter_inside",
        ),
        migrations.AddIndex(
            model_name="adapter",
            index=models.Index(
                condition=models.Q(("listed", False)),
                fields=["owner", "-published_at", "-id"],
                include=("visibility", "created_by", "latest", "download_count", "rating"),
                name="adapter_inside",
            ),
        ),
    ]
