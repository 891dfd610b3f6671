"""Triggers that write down, in the transaction of the change itself, what a look back and the checks have to look at.

What counts already counts as new once: it was never compared with what had been online before it.
"""

from django.db import migrations

# As `selectors.optout.COUNTS` and `NAMES`: an entry is looked for from the moment that it counts.
COUNTS = "({0}.state = 'active' AND {0}.erased_at IS NULL AND ({0}.kind <> 'name' OR NOT {0}.mononym OR {0}.verified))"
COUNTS_NEW, COUNTS_OLD = COUNTS.format("NEW"), COUNTS.format("OLD")
BLOCKS = "({0}.kind = 'picture' AND {0}.lifted_at IS NULL)"

CREATE = f"""
CREATE FUNCTION moderation_newcomer_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_ARGV[0] = 'identity' THEN
        INSERT INTO moderation_newcomer (kind, ref, created_at) VALUES ('identity', NEW.identity_id, now());
    ELSIF TG_ARGV[0] = 'features' THEN
        INSERT INTO moderation_newcomer (kind, ref, created_at) VALUES ('entry', NEW.entry_id, now());
    ELSE
        INSERT INTO moderation_newcomer (kind, ref, created_at) VALUES (TG_ARGV[0], NEW.id, now());
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER moderation_optoutentry_new AFTER INSERT ON moderation_optoutentry
    FOR EACH ROW WHEN ({COUNTS_NEW}) EXECUTE FUNCTION moderation_newcomer_write('entry');
CREATE TRIGGER moderation_optoutentry_counts AFTER UPDATE OF state, erased_at, verified, mononym
    ON moderation_optoutentry
    FOR EACH ROW WHEN ({COUNTS_NEW} AND NOT {COUNTS_OLD}) EXECUTE FUNCTION moderation_newcomer_write('entry');
CREATE TRIGGER moderation_workfeatures_new AFTER INSERT ON moderation_workfeatures
    FOR EACH ROW EXECUTE FUNCTION moderation_newcomer_write('features');
CREATE TRIGGER moderation_block_new AFTER INSERT ON moderation_block
    FOR EACH ROW WHEN ({BLOCKS.format("NEW")}) EXECUTE FUNCTION moderation_newcomer_write('block');
CREATE TRIGGER moderation_block_described AFTER UPDATE OF features, lifted_at ON moderation_block
    FOR EACH ROW WHEN ({BLOCKS.format("NEW")} AND (NEW.features IS DISTINCT FROM OLD.features OR OLD.lifted_at IS NOT NULL))
    EXECUTE FUNCTION moderation_newcomer_write('block');
CREATE TRIGGER moderation_facetemplate_new AFTER INSERT ON moderation_facetemplate
    FOR EACH ROW EXECUTE FUNCTION moderation_newcomer_write('identity');

CREATE FUNCTION moderation_described_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO moderation_screeningwanted (version_id, round, created_at)
        SELECT id, 'pictures', now() FROM registry_version WHERE adapter_id = NEW.id AND inspected_at IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER registry_adapter_described AFTER UPDATE OF updated_at ON registry_adapter
    FOR EACH ROW WHEN (NEW.updated_at IS DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION moderation_described_anew();

CREATE FUNCTION moderation_trace_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM moderation_picturetrace WHERE picture = TG_ARGV[0] || ':' || OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER registry_samplepicture_removed AFTER UPDATE OF state ON registry_samplepicture
    FOR EACH ROW WHEN (NEW.state = 'removed') EXECUTE FUNCTION moderation_trace_forget('sample');
CREATE TRIGGER registry_samplepicture_gone AFTER DELETE ON registry_samplepicture
    FOR EACH ROW EXECUTE FUNCTION moderation_trace_forget('sample');
CREATE TRIGGER registry_versionimage_gone AFTER DELETE ON registry_versionimage
    FOR EACH ROW EXECUTE FUNCTION moderation_trace_forget('image');

INSERT INTO moderation_newcomer (kind, ref, created_at)
    SELECT 'entry', id, now() FROM moderation_optoutentry AS entry WHERE {COUNTS.format("entry")}
    UNION ALL SELECT 'block', id, now() FROM moderation_block AS block WHERE {BLOCKS.format("block")}
    UNION ALL SELECT DISTINCT 'identity', identity_id, now() FROM moderation_facetemplate;
"""
DROP = """
DROP TRIGGER moderation_optoutentry_new ON moderation_optoutentry;
DROP TRIGGER moderation_optoutentry_counts ON moderation_optoutentry;
DROP TRIGGER moderation_workfeatures_new ON moderation_workfeatures;
DROP TRIGGER moderation_block_new ON moderation_block;
DROP TRIGGER moderation_block_described ON moderation_block;
DROP TRIGGER moderation_facetemplate_new ON moderation_facetemplate;
DROP FUNCTION moderation_newcomer_write();
DROP TRIGGER registry_adapter_described ON registry_adapter;
DROP FUNCTION moderation_described_anew();
DROP TRIGGER registry_samplepicture_removed ON registry_samplepicture;
DROP TRIGGER registry_samplepicture_gone ON registry_samplepicture;
DROP TRIGGER registry_versionimage_gone ON registry_versionimage;
DROP FUNCTION moderation_trace_forget();
"""


class Migration(migrations.Migration):
    dependencies = [("moderation", "0004_lookback")]

    operations = [migrations.RunSQL(CREATE, DROP)]
