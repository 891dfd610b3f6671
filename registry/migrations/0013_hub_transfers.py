"""What the Hub protocol brings: objects and Xet sessions on their way in, arrived weights, former names."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_retired_names"),
        ("registry", "0012_version_newest"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="adapter",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("part_size", models.PositiveBigIntegerField(default=0)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="transfers", to="registry.adapter"
                    ),
                ),
                (
                    "upload",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transfer", to="registry.upload"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TransferPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("etag", models.CharField(max_length=64)),
                (
                    "transfer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="registry.transfer"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="XetSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("expires_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.adapter"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Arrival",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="arrivals", to="registry.adapter"
                    ),
                ),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="arrivals", to="registry.blob"
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="arrivals", to="registry.revision"
                    ),
                ),
                (
                    "upload",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="arrival",
                        to="registry.upload",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("adapter", "blob"), name="arrival_once_per_content")],
            },
        ),
        migrations.CreateModel(
            name="FormerName",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("moved_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="former_names", to="registry.adapter"
                    ),
                ),
                (
                    "namespace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.namespace"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("namespace", "name"), name="former_name_unique")],
            },
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["adapter", "sha256"], name="transfer_by_content"),
        ),
        migrations.AddConstraint(
            model_name="transferpart",
            constraint=models.UniqueConstraint(fields=("transfer", "number"), name="part_once_per_transfer"),
        ),
        migrations.AddConstraint(
            model_name="transferpart",
            constraint=models.CheckConstraint(condition=models.Q(("number__gte", 1)), name="part_number_from_one"),
        ),
        migrations.AddIndex(
            model_name="xetsession",
            index=models.Index(fields=["expires_at"], name="xet_session_expiry"),
        ),
    ]
