"""What a webhook is told: one message for each notice and endpoint, written down exactly as it is signed and sent."""

import json
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from moderation.models.outbox import OutState, WebhookDelivery, WebhookEndpoint
from moderation.models.recall import NoticeKind, RecallNotice
from moderation.signals import webhook_queued
from registry.models import Receipt

TEST = "webhook.test"


def messages_queue(notice: RecallNotice) -> None:
    """Queue the notice to every live endpoint of its organisation; done twice, it changes nothing."""
    endpoints = list(WebhookEndpoint.objects.filter(organisation=notice.organisation, disabled_at=None))
    if endpoints:
        event, body = f"recall.{notice.kind}", notice_body(notice)
        rows = [WebhookDelivery(endpoint=one, notice=notice, event=event, body=body) for one in endpoints]
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        _announce(WebhookDelivery.objects.filter(notice=notice, state=OutState.QUEUED).values_list("pk", flat=True))


def trial_queue(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Queue a message without consequences, so that a receiver can be tried."""
    data = {"organisation": endpoint.organisation.namespace.slug, "message": "The webhook works."}
    row = WebhookDelivery(endpoint=endpoint, event=TEST)
    row.body = _envelope(TEST, row.created_at.isoformat(), data)
    row.save(force_insert=True)
    _announce([row.pk])
    return row


def _announce(keys: Iterable[int]) -> None:
    found = list(keys)
    transaction.on_commit(lambda: _tell(found), robust=True)


def _tell(keys: list[int]) -> None:
    for pk in keys:
        webhook_queued.send(sender=WebhookDelivery, delivery_id=pk)


def notice_body(notice: RecallNotice) -> str:
    """The message of a notice: what was recalled, why, what to do, and which receipts it concerns."""
    recall = notice.recall
    versions = list(recall.versions.select_related("version__adapter__owner"))
    receipts = Receipt.objects.filter(
        acceptance__organisation=notice.organisation, acceptance__version__in=[entry.version_id for entry in versions]
    )
    lifted = notice.kind == NoticeKind.LIFTED
    data = {
        "notice": str(notice.public_id),
        "recall": str(recall.public_id),
        "reason": recall.reason_code,
        "what_happened": recall.lifted_reasoning if lifted else recall.public_text,
        "what_to_do": "Nothing. You may use it again under the terms of your receipts."
        if lifted
        else recall.what_to_do,
        "versions": [{"adapter": str(entry.version.adapter), "version": entry.version.number} for entry in versions],
        "receipts": [_receipt(receipt) for receipt in receipts.select_related("file").order_by("issued_at", "pk")],
        "page": settings.PUBLIC_URL + reverse("recall_notice", args=[notice.public_id]),
    }
    return _envelope(f"recall.{notice.kind}", notice.created_at.isoformat(), data)


def _receipt(receipt: Receipt) -> dict[str, str]:
    return {"id": str(receipt.pk), "file": receipt.file.path, "sha256": receipt.file.sha256}


def _envelope(event: str, timestamp: str, data: dict[str, Any]) -> str:
    """As Standard Webhooks shapes it: type, timestamp, data."""
    return json.dumps({"type": event, "timestamp": timestamp, "data": data}, separators=(",", ":"), ensure_ascii=False)
