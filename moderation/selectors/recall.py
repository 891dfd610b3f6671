"""Recalls for those who hold receipts, for their organisations, and for moderators."""

import uuid
from typing import Any

from django.db.models import Count, Q, QuerySet

from accounts.errors import NotFound
from accounts.models import User
from moderation.models.outbox import Mail
from moderation.models.recall import Recall, RecallNotice
from registry.models import Receipt
from registry.models.outbox import WebhookDelivery


def notices_of(*, actor: User) -> QuerySet[RecallNotice]:
    """What `actor` was told: for themselves, for their organisations, and for those that they downloaded for."""
    mine = Q(user=actor) | Q(organisation__memberships__user=actor)
    notices = RecallNotice.objects.filter(mine | Q(pk__in=_through_receipts(actor))).distinct()
    return notices.select_related("recall", "user", "organisation__namespace", "acknowledged_by")


def _through_receipts(actor: User) -> list[int]:
    """Notices to organisations for which `actor` downloaded what was recalled: they may hold a copy still."""
    pairs = actor.acceptances.filter(organisation__isnull=False, receipts__isnull=False)
    found = RecallNotice.objects.filter(
        organisation__in=pairs.values("organisation"), recall__versions__version__in=pairs.values("version")
    ).prefetch_related("recall__versions")
    held = set(pairs.values_list("organisation", "version"))
    return [
        notice.pk
        for notice in found.distinct()
        if any((notice.organisation_id, entry.version_id) in held for entry in notice.recall.versions.all())
    ]


def access_notice(*, actor: User, public_id: uuid.UUID) -> RecallNotice:
    """A notice that the actor may read; any other is absent."""
    notice = notices_of(actor=actor).filter(public_id=public_id).first()
    if notice is None:
        raise NotFound("There is no such recall of yours.")
    return notice


def notice_page(*, notice: RecallNotice) -> dict[str, Any]:
    """What happened, why, what to do, and the receipts that it concerns."""
    entries = list(notice.recall.versions.select_related("version__adapter__owner", "decision"))
    return {
        "notice": notice,
        "recall": notice.recall,
        "entries": entries,
        "receipts": receipts_concerned(notice),
        "lifted": notice.recall.state == "lifted",
    }


def receipts_concerned(notice: RecallNotice) -> list[Receipt]:
    """The holder's receipts for what was recalled."""
    versions = notice.recall.versions.values("version")
    held = Receipt.objects.filter(acceptance__version__in=versions)
    if notice.organisation_id:
        held = held.filter(acceptance__organisation=notice.organisation_id)
    else:
        held = held.filter(acceptance__user=notice.user_id, acceptance__organisation=None)
    return list(held.select_related("file", "acceptance__user").order_by("issued_at", "pk"))


def unanswered_recalls(*, actor: User) -> int:
    """How many recalls in force `actor` has not confirmed."""
    return notices_of(actor=actor).filter(kind="issued", recall__state="issued", acknowledged_at=None).count()


def recall_waits(*, actor: User) -> bool:
    """Whether a recall in force waits for the word of `actor` or of an organisation of theirs; every page asks."""
    open_now = RecallNotice.objects.filter(kind="issued", recall__state="issued", acknowledged_at=None)
    # Two questions, each answered by an index: joined by “or” they would read the whole table.
    return open_now.filter(user=actor).exists() or open_now.filter(organisation__memberships__user=actor).exists()


def recalls_for_moderators() -> QuerySet[Recall]:
    """Every recall with how far it got."""
    issued = Q(notices__kind="issued")
    return Recall.objects.select_related("consent", "lifted_by").annotate(
        holders=Count("notices", filter=issued),
        answered=Count("notices", filter=issued & Q(notices__acknowledged_at__isnull=False)),
    )


def access_recall(*, public_id: uuid.UUID) -> Recall:
    """The recall for a moderator; raises NotFound."""
    recall = recalls_for_moderators().filter(public_id=public_id).first()
    if recall is None:
        raise NotFound("There is no such recall.")
    return recall


def delivery_counts(recall: Recall) -> dict[str, dict[str, int]]:
    """How many mails and webhook messages of a recall are in which state."""
    keys = [notice_key(notice) for notice in recall.notices.all()]
    sent = {
        "mails": Mail.objects.filter(notice__recall=recall),
        "webhooks": WebhookDelivery.objects.filter(key__in=keys),
    }
    return {name: dict(rows.values_list("state").annotate(n=Count("pk")).order_by()) for name, rows in sent.items()}


def notice_key(notice: RecallNotice) -> str:
    """Under which key webhooks are told of a notice, each once."""
    return f"notice:{notice.public_id}"
