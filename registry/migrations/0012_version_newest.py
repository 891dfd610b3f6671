"""The newest published versions in their order, for the feeds."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0011_image_shows")]

    operations = [
        migrations.AddIndex(
            model_name="version",
            index=models.Index(fields=["-published_at", "-id"], name="version_newest", condition=Q(state="published")),
        )
    ]
