import django.db.models.deletion
import django.utils.timezone
import inference.generation_states
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_retired_names"),
        ("governance", "0003_personal_data"),
        ("inference", "0002_initial"),
        ("registry", "0010_standing_pass"),
    ]

    operations = [
        migrations.CreateModel(
            name="GenerationBatch",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, max_length=120)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="generation_batches",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Generation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("purpose", models.CharField(max_length=40)),
                ("prompt", models.TextField(max_length=4000)),
                ("negative", models.TextField(blank=True, max_length=4000)),
                ("settings", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(default=inference.generation_states.GenerationState["QUEUED"], max_length=10),
                ),
                ("pictures_total", models.PositiveIntegerField(default=0)),
                ("watchful", models.BooleanField(default=False)),
                ("consents", models.JSONField(blank=True, default=list)),
                ("watched_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.basemodel"
                    ),
                ),
                (
                    "hosting_decision",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="governance.decisionrecord",
                    ),
                ),
                (
                    "purpose_decision",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="governance.decisionrecord",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="generations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="generations",
                        to="inference.generationbatch",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="GenerationPicture",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("row", models.PositiveSmallIntegerField(default=0)),
                ("column", models.PositiveSmallIntegerField(default=0)),
                ("row_label", models.CharField(blank=True, max_length=200)),
                ("column_label", models.CharField(blank=True, max_length=200)),
                ("prompt", models.TextField(max_length=4000)),
                ("negative", models.TextField(blank=True, max_length=4000)),
                ("text", models.TextField(blank=True, max_length=4000)),
                ("weights", models.JSONField(default=list)),
                ("seed", models.PositiveBigIntegerField()),
                ("steps", models.PositiveSmallIntegerField()),
                ("guidance", models.FloatField()),
                ("sampler", models.CharField(blank=True, max_length=40)),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("state", models.CharField(default=inference.generation_states.PictureState["QUEUED"], max_length=10)),
                ("problem", models.JSONField(blank=True, default=dict)),
                ("step", models.PositiveSmallIntegerField(default=0)),
                ("steps_total", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("worker", models.CharField(blank=True, max_length=100)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("seconds", models.FloatField(blank=True, null=True)),
                ("preview_key", models.CharField(blank=True, max_length=300)),
                ("storage_key", models.CharField(blank=True, max_length=300)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("blurhash", models.CharField(blank=True, max_length=40)),
                ("marks", models.JSONField(blank=True, default=dict)),
                ("checks", models.JSONField(blank=True, default=list)),
                ("check_attempts", models.PositiveSmallIntegerField(default=0)),
                ("notes", models.JSONField(blank=True, default=list)),
                (
                    "generation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pictures", to="inference.generation"
                    ),
                ),
                (
                    "sample",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="registry.samplepicture",
                    ),
                ),
            ],
            options={
                "ordering": ["row", "column"],
            },
        ),
        migrations.CreateModel(
            name="GenerationAdapter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("written", models.CharField(max_length=200)),
                (
                    "generation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="adapters", to="inference.generation"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.version"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("generation", "position"), name="adapter_once_per_position")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(fields=["user", "-created_at"], name="generation_history"),
        ),
        migrations.AddConstraint(
            model_name="generation",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["queued", "running", "done", "withheld", "failed", "cancelled"])),
                name="generation_state_known",
            ),
        ),
        migrations.AddIndex(
            model_name="generationpicture",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "running"])),
                fields=["created_at"],
                name="generated_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="generationpicture",
            index=models.Index(
                condition=models.Q(("state", "checking")), fields=["lease_until"], name="generated_checking"
            ),
        ),
        migrations.AddConstraint(
            model_name="generationpicture",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "running", "checking", "done", "withheld", "failed", "cancelled"])
                ),
                name="generated_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="generationpicture",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True),
                    models.Q(("storage_key", ""), _negated=True),
                    _connector="OR",
                ),
                name="generated_done_has_a_file",
            ),
        ),
        migrations.AddConstraint(
            model_name="generationpicture",
            constraint=models.UniqueConstraint(fields=("generation", "row", "column"), name="one_picture_per_cell"),
        ),
    ]
