"""Screening between inspection and decision, and pictures that people attach."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_inside_covering"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="version",
            name="consent_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="version",
            name="findings",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="version",
            name="fictional_statement",
            field=models.TextField(blank=True, default="", max_length=1000),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="version",
            name="inspected_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="version",
            name="screened_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="versionimage",
            name="screened_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="SamplePicture",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("example", "Made with it"), ("training", "One of its training pictures")],
                        default="example",
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for the screening"),
                            ("shown", "Shown"),
                            ("held", "Held for a moderator"),
                            ("removed", "Removed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("storage_key", models.CharField(max_length=300)),
                ("original_key", models.CharField(blank=True, max_length=300)),
                ("sha256", models.CharField(max_length=64)),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "added_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="samples", to="registry.version"
                    ),
                ),
            ],
            options={
                "ordering": ["added_at", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "shown", "held", "removed"])),
                        name="sample_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["example", "training"])), name="sample_kind_known"
                    ),
                    models.UniqueConstraint(fields=("version", "sha256"), name="sample_once_per_version"),
                ],
            },
        ),
        # What was decided before there was a screening is not held back for want of one.
        migrations.RunSQL(
            """
            UPDATE registry_version SET inspected_at = COALESCE(published_at, submitted_at, created_at)
                WHERE inspection IS NOT NULL AND state <> 'scanning';
            UPDATE registry_version SET screened_at = inspected_at;
            UPDATE registry_versionimage SET screened_at = created_at;
            """,
            migrations.RunSQL.noop,
            elidable=True,
        ),
    ]
