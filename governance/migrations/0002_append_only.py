"""Triggers that make decisions and the audit log append-only for everybody."""

from django.db import migrations

CREATE = """
CREATE FUNCTION governance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER governance_decisionrecord_append_only BEFORE UPDATE OR DELETE ON governance_decisionrecord
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER governance_decisionrecord_no_truncate BEFORE TRUNCATE ON governance_decisionrecord
    FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER governance_auditentry_append_only BEFORE UPDATE OR DELETE ON governance_auditentry
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER governance_auditentry_no_truncate BEFORE TRUNCATE ON governance_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
"""

DROP = """
DROP TRIGGER governance_auditentry_no_truncate ON governance_auditentry;
DROP TRIGGER governance_auditentry_append_only ON governance_auditentry;
DROP TRIGGER governance_decisionrecord_no_truncate ON governance_decisionrecord;
DROP TRIGGER governance_decisionrecord_append_only ON governance_decisionrecord;
DROP FUNCTION governance_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
