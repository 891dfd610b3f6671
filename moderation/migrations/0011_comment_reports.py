"""Reports name the comment that they are about."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0010_webhooks_moved"),
        ("registry", "0017_discussions"),
    ]

    operations = [
        migrations.AddField(
            model_name="report",
            name="comment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reports",
                to="registry.discussioncomment",
            ),
        ),
    ]
