"""A trigger by which somebody else's claim on an entry that counts already is looked for in what is online.

Nothing new is opted out by it; but a work that one account alone claimed held up none of that account's uploads, and a
work whose only claimant had consented held up none that rested on the consent. With a second claimant a person decides.
"""

from django.db import migrations

# By statement, since lists come in thousands of rows. Left out are
# - who claims first: nobody was excused before (`moderation_optoutentry_new` writes for a new entry),
# - who claims it already: they are the same claimant as before,
# - a list, where another list names it: nobody was excused.
# A claim that ended counts as one, since another transaction may be about to renew it. Whether the entry counts is asked
# when the look back is made.
CREATE = """
CREATE FUNCTION moderation_claimed(claims bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO moderation_newcomer (kind, ref, created_at)
    SELECT DISTINCT 'entry', claim.entry_id, now()
    FROM moderation_optoutclaim AS claim
    LEFT JOIN moderation_optoutregistration AS mine ON mine.id = claim.registration_id
    WHERE claim.id = ANY(claims) AND EXISTS (
        SELECT FROM moderation_optoutclaim AS other WHERE other.entry_id = claim.entry_id AND other.id <> claim.id
    ) AND NOT EXISTS (
        SELECT FROM moderation_optoutclaim AS other
        LEFT JOIN moderation_optoutregistration AS theirs ON theirs.id = other.registration_id
        WHERE other.entry_id = claim.entry_id AND other.id <> claim.id AND other.state = 'active'
        AND (theirs.holder_id = mine.holder_id OR claim.source_id IS NOT NULL AND other.source_id IS NOT NULL)
    )
$$;

CREATE FUNCTION moderation_claims_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM moderation_claimed(array_agg(id)) FROM made WHERE state = 'active';
    RETURN NULL;
END $$;
CREATE TRIGGER moderation_optoutclaim_made AFTER INSERT ON moderation_optoutclaim
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION moderation_claims_made();

CREATE FUNCTION moderation_claims_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM moderation_claimed(array_agg(now.id)) FROM before JOIN now USING (id)
        WHERE now.state = 'active' AND before.state <> 'active';
    RETURN NULL;
END $$;
CREATE TRIGGER moderation_optoutclaim_changed AFTER UPDATE ON moderation_optoutclaim
    REFERENCING OLD TABLE AS before NEW TABLE AS now FOR EACH STATEMENT EXECUTE FUNCTION moderation_claims_changed();
"""
DROP = """
DROP TRIGGER moderation_optoutclaim_made ON moderation_optoutclaim;
DROP TRIGGER moderation_optoutclaim_changed ON moderation_optoutclaim;
DROP FUNCTION moderation_claims_made();
DROP FUNCTION moderation_claims_changed();
DROP FUNCTION moderation_claimed(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("moderation", "0006_starter_texts")]

    operations = [migrations.RunSQL(CREATE, DROP)]
