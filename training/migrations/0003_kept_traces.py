"""What stays after pictures and runs: traces of what was trained on, which snapshots a block is about, leases of exports."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

# Words can be redacted, on record, where `governance.redaction` says so while it changes them. Inserts, removals and
# states stay held to the table: redaction changes no state.
GUARDED = {
    "training_runevent_append_only": ("UPDATE OR DELETE", "training_runevent", "training_append_only()"),
    "training_snapshot_kept": ("UPDATE OR DELETE", "training_datasetsnapshot", "training_snapshot_kept()"),
    "training_run_transition": ("INSERT OR UPDATE", "training_trainingrun", "training_run_transition()"),
}
UNLESS = "WHEN (coalesce(current_setting('governance.redaction', true), '') <> 'on') "


def triggers(when: str) -> str:
    return "".join(
        f"DROP TRIGGER {name} ON {table}; "
        f"CREATE TRIGGER {name} BEFORE {deeds} ON {table} FOR EACH ROW {when}EXECUTE FUNCTION {function};\n"
        for name, (deeds, table, function) in GUARDED.items()
    )


def name_snapshots(apps, schema_editor):
    """Blocks that stand: of the snapshots that have the picture, and of all whose manifest is emptied."""
    block_model = apps.get_model("training", "DatasetBlock")
    for block in block_model.objects.filter(picture__isnull=False).iterator():
        for snapshot in block.dataset.snapshots.all():
            entries = snapshot.manifest.get("pictures")
            if entries is None or any(entry["picture"] == str(block.picture) for entry in entries):
                block.snapshots.add(snapshot)


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0002_triggers"),
    ]

    operations = [
        migrations.AddField(
            model_name="datasetblock",
            name="snapshots",
            field=models.ManyToManyField(blank=True, related_name="blocks", to="training.datasetsnapshot"),
        ),
        migrations.AddField(
            model_name="runfile",
            name="removed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="runsample",
            name="size",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="export_attempts",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="export_token",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="export_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="TrainedPicture",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("picture", models.UUIDField()),
                ("sha256", models.CharField(max_length=64)),
                ("known", models.JSONField(default=list)),
                ("hashes", models.BinaryField()),
                ("described", models.BinaryField()),
                ("compared_mark", models.CharField(blank=True, max_length=200)),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trained_pictures",
                        to="training.dataset",
                    ),
                ),
                ("snapshots", models.ManyToManyField(related_name="trained_pictures", to="training.datasetsnapshot")),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [models.Index(fields=["compared_mark"], name="trained_picture_compared")],
                "constraints": [models.UniqueConstraint(fields=("dataset", "picture"), name="trained_picture_once")],
            },
        ),
        migrations.RunSQL(triggers(UNLESS), triggers("")),
        migrations.RunPython(name_snapshots, migrations.RunPython.noop),
    ]
