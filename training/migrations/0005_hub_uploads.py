"""What is under way into datasets by the Hub protocol, and the bytes of a picture without its small copy."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0016_imports"),
        ("training", "0004_dataset_alarms"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DatasetTransfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("part_size", models.PositiveBigIntegerField(default=0)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="DatasetTransferPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("etag", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="DatasetXetSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("expires_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="datasetedit",
            name="dataset_edit_kind_known",
        ),
        migrations.AddField(
            model_name="datasetpicture",
            name="content_size",
            field=models.PositiveBigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="datasetedit",
            name="kind",
            field=models.CharField(
                choices=[
                    ("replace", "Find and replace"),
                    ("prefix", "Put the trigger word first"),
                    ("append", "Append"),
                    ("shuffle", "Shuffle tags"),
                    ("captioner", "Captions by a model"),
                    ("one", "One caption"),
                    ("commit", "Sent by a Hub client"),
                ],
                max_length=9,
            ),
        ),
        migrations.AddConstraint(
            model_name="datasetedit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["replace", "prefix", "append", "shuffle", "captioner", "one", "commit"])
                ),
                name="dataset_edit_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="datasettransfer",
            name="dataset",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="transfers", to="training.dataset"
            ),
        ),
        migrations.AddField(
            model_name="datasettransfer",
            name="upload",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="dataset_transfer", to="registry.upload"
            ),
        ),
        migrations.AddField(
            model_name="datasettransferpart",
            name="transfer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="training.datasettransfer"
            ),
        ),
        migrations.AddField(
            model_name="datasetxetsession",
            name="dataset",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="training.dataset"
            ),
        ),
        migrations.AddField(
            model_name="datasetxetsession",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="datasettransfer",
            index=models.Index(fields=["dataset", "sha256"], name="dataset_transfer_by_content"),
        ),
        migrations.AddConstraint(
            model_name="datasettransferpart",
            constraint=models.UniqueConstraint(fields=("transfer", "number"), name="part_once_per_dataset_transfer"),
        ),
        migrations.AddConstraint(
            model_name="datasettransferpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1)), name="dataset_part_number_from_one"
            ),
        ),
        migrations.AddIndex(
            model_name="datasetxetsession",
            index=models.Index(fields=["expires_at"], name="dataset_xet_session_expiry"),
        ),
    ]
