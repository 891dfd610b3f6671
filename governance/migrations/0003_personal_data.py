"""Handles of actors and salts of seals beside the chain; append-only rows whose personal data can be redacted."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# Never the audit entries themselves, and never a removal.
REDACTABLE = """
CREATE OR REPLACE FUNCTION governance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ('governance_decisionrecord', 'moderation_consentevent')
        AND current_setting('governance.redaction', true) = 'on' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION governance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("governance", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ActorHandle",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.CharField(max_length=39, unique=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="actor_handle",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SealSalt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.BigIntegerField()),
                ("table", models.CharField(max_length=100)),
                ("key", models.CharField(max_length=100)),
                ("salt", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
            ],
            options={
                "indexes": [models.Index(fields=["table", "key"], name="salt_by_row")],
                "constraints": [
                    models.UniqueConstraint(fields=("sequence", "table", "key"), name="salt_once_per_seal")
                ],
            },
        ),
        migrations.RunSQL(REDACTABLE, BEFORE),
    ]
