"""Receipts, terms and revisions can be redacted, where `governance.redaction` says so for its own transaction."""

from django.db import migrations

CREATE = """
CREATE OR REPLACE FUNCTION registry_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'registry_acceptance'
        AND current_setting('governance.redaction', true) = 'on' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% rows never change', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
"""

DROP = """
CREATE OR REPLACE FUNCTION registry_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows never change', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0007_screening"), ("governance", "0003_personal_data")]

    operations = [migrations.RunSQL(CREATE, DROP)]
