"""Webhooks and their log go down into the registry, whose events they carry too; what is there stays as it was."""

from django.db import migrations

ROW = "id, public_id, state, attempts, next_at, lease_token, lease_until, problem, created_at, finished_at"
ENDPOINT = "id, public_id, url, secret_sealed, former_secret_sealed, former_until, created_at, disabled_at"
ENDPOINT += ", disabled_because, created_by_id, organisation_id"
LOG = "id, at, status, problem, answer, milliseconds, delivery_id"
# Endpoints that were told of recalls alone are told of nothing else, until somebody chooses.
MOVE = f"""
INSERT INTO registry_webhookendpoint ({ENDPOINT}, topics)
SELECT {ENDPOINT}, '{{recall}}' FROM moderation_webhookendpoint;
INSERT INTO registry_webhookdelivery ({ROW}, event, body, endpoint_id, key)
SELECT {", ".join("message." + name for name in ROW.split(", "))}, message.event, message.body, message.endpoint_id,
    CASE WHEN notice.id IS NULL THEN '' ELSE 'notice:' || notice.public_id END
FROM moderation_webhookdelivery AS message
LEFT JOIN moderation_recallnotice AS notice ON notice.id = message.notice_id;
INSERT INTO registry_webhookattempt ({LOG}) SELECT {LOG} FROM moderation_webhookattempt;
SELECT setval(pg_get_serial_sequence(name, 'id'), greatest(most, 1))
FROM (
    SELECT 'registry_webhookendpoint' AS name, max(id) AS most FROM registry_webhookendpoint
    UNION ALL SELECT 'registry_webhookdelivery', max(id) FROM registry_webhookdelivery
    UNION ALL SELECT 'registry_webhookattempt', max(id) FROM registry_webhookattempt
) AS moved WHERE most IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0014_webhooks"), ("moderation", "0009_smaller_traces")]

    operations = [
        migrations.RunSQL(MOVE, migrations.RunSQL.noop),
        # Deferred checks of the rows that were just written would stand against the tables' removal.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.DeleteModel("WebhookAttempt"),
        migrations.DeleteModel("WebhookDelivery"),
        migrations.DeleteModel("WebhookEndpoint"),
    ]
