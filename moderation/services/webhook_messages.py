"""What webhooks are told of recalls: one message for each notice and endpoint."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from moderation.models.recall import NoticeKind, RecallNotice
from moderation.selectors.recall import notice_key
from registry.models import Receipt
from registry.services.webhook_messages import message_queue


def messages_queue(notice: RecallNotice) -> None:
    """Queue the notice to every live endpoint of its organisation; done twice, it changes nothing."""
    if notice.organisation is not None:
        message_queue(
            organisation=notice.organisation,
            event=f"recall.{notice.kind}",
            at=notice.created_at,
            data=lambda: notice_data(notice),
            key=notice_key(notice),
        )


def notice_data(notice: RecallNotice) -> dict[str, Any]:
    """The message of a notice: what was recalled, why, what to do, and which receipts it concerns."""
    recall = notice.recall
    versions = list(recall.versions.select_related("version__adapter__owner"))
    receipts = Receipt.objects.filter(
        acceptance__organisation=notice.organisation, acceptance__version__in=[entry.version_id for entry in versions]
    )
    lifted = notice.kind == NoticeKind.LIFTED
    return {
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


def _receipt(receipt: Receipt) -> dict[str, str]:
    return {"id": str(receipt.pk), "file": receipt.file.path, "sha256": receipt.file.sha256}
