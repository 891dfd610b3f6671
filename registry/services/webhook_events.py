"""The registry's own news for webhooks: an organisation's versions, talk about them, and what was downloaded for it."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from registry.models import DiscussionComment, Receipt, Version
from registry.services.webhook_messages import message_queue
from registry.states import MEANINGS, VersionState

# What others than who uploads it care about; a draft and a scan are steps on the way.
TOLD = frozenset(VersionState) - {VersionState.DRAFT, VersionState.SCANNING}


def version_news(*, version: Version, before: VersionState) -> None:
    """Tell the organisation that owns a version of its new state, inside the transaction that moved it."""
    organisation = version.adapter.owner.organisation
    state = VersionState(version.state)
    if organisation is not None and state in TOLD:
        message_queue(
            organisation=organisation,
            event=f"version.{state.value}",
            at=timezone.now(),
            data=lambda: _version_data(version, before),
        )


def receipt_news(*, receipt: Receipt) -> None:
    """Tell the organisation on whose behalf something was downloaded, in the transaction that issues the receipt."""
    organisation = receipt.acceptance.organisation
    if organisation is not None:
        message_queue(
            organisation=organisation,
            event="receipt.issued",
            at=receipt.issued_at,
            data=lambda: _receipt_data(receipt),
        )


def discussion_news(*, comment: DiscussionComment) -> None:
    """Tell the organisation that owns an adapter what was opened or said about it; the words are read on the page."""
    discussion = comment.discussion
    organisation = discussion.adapter.owner.organisation
    if organisation is not None:
        message_queue(
            organisation=organisation,
            event="discussion.opened" if comment.position == 1 else "discussion.commented",
            at=comment.created_at,
            data=lambda: _discussion_data(comment),
        )


def _version_data(version: Version, before: VersionState) -> dict[str, Any]:
    adapter, detail = version.adapter, version.state_detail
    state = VersionState(version.state)
    return {
        "adapter": str(adapter),
        "version": version.number,
        "label": version.label,
        "state": state.value,
        "before": before.value,
        "what": detail.get("what") or MEANINGS[state],
        "why": detail.get("why", ""),
        "code": detail.get("code", ""),
        "licence": version.licence_id,
        "base_model": version.base_model.slug,
        "page": settings.PUBLIC_URL + reverse("version", args=[adapter.owner.slug, adapter.name, version.number]),
    }


def _receipt_data(receipt: Receipt) -> dict[str, Any]:
    acceptance, file = receipt.acceptance, receipt.file
    return {
        "receipt": str(receipt.pk),
        "adapter": str(acceptance.version.adapter),
        "version": acceptance.version.number,
        "file": file.path,
        "sha256": file.sha256,
        "use": acceptance.use,
        "terms_sha256": acceptance.terms_id,
        "recipient": acceptance.user.username,
        "url": settings.PUBLIC_URL + reverse("api_receipt", args=[receipt.pk]),
    }


def _discussion_data(comment: DiscussionComment) -> dict[str, Any]:
    discussion, adapter = comment.discussion, comment.discussion.adapter
    return {
        "adapter": str(adapter),
        "discussion": discussion.number,
        "comment": str(comment.public_id),
        "page": settings.PUBLIC_URL + reverse("discussion", args=[adapter.owner.slug, adapter.name, discussion.number]),
    }
