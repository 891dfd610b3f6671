"""A trigger by which every writer of hashes and features holds, shared, the lock that whoever builds an index takes whole."""

from django.db import migrations

TABLES = ["moderation_workhash", "moderation_workfeatures"]

# 2003792491 is WORKS_LOCK of moderation/selectors/optout_index.py. The lock is taken before the first id is drawn, so
# that whoever holds it whole sees all rows up to the highest id, and none follow below it.
CREATE = """
CREATE FUNCTION moderation_works_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(2003792491);
    RETURN NULL;
END $$;
""" + "".join(
    f"CREATE TRIGGER {table}_lock BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION moderation_works_lock();\n"
    for table in TABLES
)
DROP = (
    "".join(f"DROP TRIGGER {table}_lock ON {table};\n" for table in TABLES) + "DROP FUNCTION moderation_works_lock();"
)


class Migration(migrations.Migration):
    dependencies = [("moderation", "0002_append_only")]

    operations = [migrations.RunSQL(CREATE, DROP)]
