import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0003_works_lock"),
        ("registry", "0008_redaction"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lookback",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("queued", "waits"), ("running", "under way"), ("done", "done")],
                        default="queued",
                        max_length=7,
                    ),
                ),
                ("entries", models.PositiveIntegerField(default=0)),
                ("identities", models.PositiveIntegerField(default=0)),
                ("blocks", models.PositiveIntegerField(default=0)),
                ("after", models.BigIntegerField(default=0)),
                ("upto", models.BigIntegerField(default=0)),
                ("versions", models.PositiveBigIntegerField(default=0)),
                ("looked", models.PositiveBigIntegerField(default=0)),
                ("pictures", models.PositiveBigIntegerField(default=0)),
                ("found", models.PositiveBigIntegerField(default=0)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Newcomer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("entry", "opt-out entry"),
                            ("identity", "protected identity"),
                            ("block", "removed picture"),
                        ],
                        max_length=8,
                    ),
                ),
                ("ref", models.BigIntegerField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="PictureTrace",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("picture", models.CharField(max_length=60, unique=True)),
                ("sent", models.BinaryField()),
                ("content", models.BinaryField()),
                ("hashes", models.BinaryField()),
                ("words", models.BinaryField()),
                ("described", models.BinaryField()),
                ("faces", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ScreeningWanted",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "round",
                    models.CharField(
                        choices=[
                            ("intake", "before the decision"),
                            ("pictures", "changes that came later"),
                            ("register", "new entries of the register"),
                        ],
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="screening",
            name="screening_round_known",
        ),
        migrations.AlterField(
            model_name="screening",
            name="round",
            field=models.CharField(
                choices=[
                    ("intake", "before the decision"),
                    ("pictures", "changes that came later"),
                    ("register", "new entries of the register"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="screening",
            constraint=models.CheckConstraint(
                condition=models.Q(("round__in", ["intake", "pictures", "register"])), name="screening_round_known"
            ),
        ),
        migrations.AddIndex(
            model_name="lookback",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "running"])),
                fields=["lease_until"],
                name="lookback_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="lookback",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["queued", "running", "done"])), name="lookback_state_known"
            ),
        ),
        migrations.AddField(
            model_name="newcomer",
            name="lookback",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="newcomers",
                to="moderation.lookback",
            ),
        ),
        migrations.AddField(
            model_name="picturetrace",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="traces", to="registry.version"
            ),
        ),
        migrations.AddField(
            model_name="screeningwanted",
            name="lookback",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="hits",
                to="moderation.lookback",
            ),
        ),
        migrations.AddField(
            model_name="screeningwanted",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="screenings_wanted", to="registry.version"
            ),
        ),
        migrations.AddIndex(
            model_name="newcomer",
            index=models.Index(condition=models.Q(("lookback", None)), fields=["id"], name="newcomer_waiting"),
        ),
        migrations.AddConstraint(
            model_name="newcomer",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["entry", "identity", "block"])), name="newcomer_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="screeningwanted",
            constraint=models.CheckConstraint(
                condition=models.Q(("round__in", ["intake", "pictures", "register"])),
                name="screening_wanted_round_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="screeningwanted",
            constraint=models.UniqueConstraint(
                condition=models.Q(("lookback__isnull", False)),
                fields=("lookback", "version"),
                name="wanted_once_per_lookback",
            ),
        ),
    ]
