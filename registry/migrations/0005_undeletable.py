"""What was shown, affirmed or handed out is never deleted either, only changed rows were forbidden so far."""

from django.db import migrations

KEPT = [
    "registry_revision",
    "registry_revisionentry",
    "registry_rightsstatement",
    "registry_termstext",
    "registry_acceptance",
    "registry_receipt",
]

CREATE = "".join(
    f"CREATE TRIGGER {table}_undeletable BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION registry_immutable();\n"
    for table in KEPT
)
CREATE += (
    "CREATE TRIGGER registry_acceptance_immutable BEFORE UPDATE ON registry_acceptance "
    "FOR EACH ROW EXECUTE FUNCTION registry_immutable();\n"
)
DROP = "".join(f"DROP TRIGGER {table}_undeletable ON {table};\n" for table in KEPT)
DROP += "DROP TRIGGER registry_acceptance_immutable ON registry_acceptance;\n"


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_search_indexes")]

    operations = [migrations.RunSQL(CREATE, DROP)]
