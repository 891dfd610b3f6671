"""What webhooks are told: each message is written down exactly as it is signed and sent, with what causes it."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import Organisation
from registry.models.outbox import OutState, WebhookDelivery, WebhookEndpoint
from registry.signals import webhook_queued

TEST = "webhook.test"


def message_queue(
    *, organisation: Organisation, event: str, at: datetime, data: Callable[[], dict[str, Any]], key: str = ""
) -> None:
    """Queue a message inside the caller's transaction to every live endpoint that wants the event's topic.

    `data` is asked for only where somebody is told. What has a `key` is told once to each endpoint.
    """
    topic = event.partition(".")[0]
    live = WebhookEndpoint.objects.filter(organisation=organisation, disabled_at=None, topics__contains=[topic])
    endpoints = list(live)
    if not endpoints:
        return
    body = envelope(event, at, data())
    rows = [WebhookDelivery(endpoint=one, event=event, key=key, body=body) for one in endpoints]
    ids = [row.public_id for row in rows]
    WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
    told = {"endpoint__in": endpoints, "key": key} if key else {"public_id__in": ids}
    _announce(WebhookDelivery.objects.filter(**told, state=OutState.QUEUED).values_list("pk", flat=True))


def trial_queue(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Queue a message without consequences, so that a receiver can be tried."""
    data = {"organisation": endpoint.organisation.namespace.slug, "message": "The webhook works."}
    row = WebhookDelivery(endpoint=endpoint, event=TEST)
    row.body = envelope(TEST, row.created_at, data)
    row.save(force_insert=True)
    _announce([row.pk])
    return row


def envelope(event: str, at: datetime, data: dict[str, Any]) -> str:
    """As Standard Webhooks shapes it: type, timestamp, data."""
    plain = {"type": event, "timestamp": at.isoformat(), "data": data}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _announce(keys: Iterable[int]) -> None:
    found = list(keys)
    transaction.on_commit(lambda: _tell(found), robust=True)


def _tell(keys: list[int]) -> None:
    for pk in keys:
        webhook_queued.send(sender=WebhookDelivery, delivery_id=pk)
