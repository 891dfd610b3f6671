"""Triggers that make the histories of moderation append-only for everybody."""

from django.db import migrations

KEPT = [
    "moderation_consentevent",
    "moderation_deletionproof",
]

CREATE = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION governance_append_only();\n"
    for table in KEPT
)
DROP = "".join(f"DROP TRIGGER {table}_append_only ON {table};\n" for table in KEPT)


class Migration(migrations.Migration):
    dependencies = [("moderation", "0001_initial"), ("governance", "0002_append_only")]

    operations = [migrations.RunSQL(CREATE, DROP)]
