"""Recalls: written with their notices in the transaction that holds versions back, and handed out by tasks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.permissions import Role
from governance.models import DecisionRecord
from governance.services import audit_append, audited
from moderation.models.consent import Consent
from moderation.models.outbox import Mail, MailKind
from moderation.models.recall import NoticeKind, Recall, RecallNotice, RecallVersion
from moderation.services.mails import mails_queue
from moderation.services.webhook_messages import messages_queue
from moderation.signals import recall_issued
from registry.models import Acceptance, Version

BATCH = 500  # notices handed out in one transaction


@dataclass(frozen=True)
class Held:
    """A version in a recall: its state before, and the decision that held it back where it was in circulation."""

    version: Version
    state_before: str
    decision: DecisionRecord | None = None


@audited()
def recall_write(
    *,
    versions: Sequence[Held],
    cause: str,
    reason_code: str,
    public_text: str,
    what_to_do: str,
    consent: Consent | None = None,
    actor: User | None = None,
) -> Recall | None:
    """A recall of those of the versions that this cause does not recall already, with one notice for each holder."""
    open_now = RecallVersion.objects.filter(version__in=[held.version.pk for held in versions], cause=cause, open=True)
    known = set(open_now.values_list("version_id", flat=True))
    fresh = [held for held in versions if held.version.pk not in known]
    if not fresh:
        return None
    recall = Recall.objects.create(
        consent=consent, reason_code=reason_code, public_text=public_text, what_to_do=what_to_do
    )
    RecallVersion.objects.bulk_create(
        RecallVersion(
            recall=recall, version=held.version, cause=cause, state_before=held.state_before, decision=held.decision
        )
        for held in fresh
    )
    notices_write(recall, NoticeKind.ISSUED)
    audit_append(
        actor=actor,
        action="recall.issued",
        subject=("moderation.recall", str(recall.public_id)),
        data={"reason": reason_code, "cause": cause, "versions": [held.version.pk for held in fresh]},
        rows=[recall],
    )
    recall_announce(recall)
    return recall


def recall_announce(recall: Recall) -> None:
    """Say on commit that notices of this recall wait to be handed out."""
    transaction.on_commit(lambda: recall_issued.send(sender=Recall, recall_id=recall.pk), robust=True)


def notices_write(recall: Recall, kind: NoticeKind) -> None:
    """One notice for each person who holds a receipt for themselves, one for each organisation that holds some."""
    holders = Acceptance.objects.filter(version__in=recall.versions.values("version"), receipts__isnull=False)
    notices = [
        RecallNotice(recall=recall, kind=kind, user_id=None if organisation else user, organisation_id=organisation)
        for organisation, user in _holders(holders.values_list("organisation", "user").distinct())
    ]
    RecallNotice.objects.bulk_create(notices, ignore_conflicts=True, batch_size=1000)


def _holders(pairs: Iterable[tuple[int | None, int]]) -> list[tuple[int | None, int]]:
    """Organisations once, whoever downloaded for them."""
    found = {(organisation, 0 if organisation else user): (organisation, user) for organisation, user in pairs}
    return [found[key] for key in sorted(found, key=lambda key: (key[0] or 0, key[1]))]


def recall_hand_out(*, recall_id: int) -> int:
    """Queue the letters and webhook messages of the notices that wait; how many notices there were.

    Each batch is one transaction: a worker that dies leaves the rest to the next one, and the unique keys of the rows
    keep what two workers do at once from being done twice.
    """
    done = 0
    while batch := _hand_out_batch(recall_id):
        done += batch
    return done


@transaction.atomic
def _hand_out_batch(recall_id: int) -> int:
    waiting = RecallNotice.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        recall=recall_id, handed_out_at=None
    )
    notices = list(waiting.select_related("recall", "organisation").order_by("pk")[:BATCH])
    for notice in notices:
        kind = MailKind.RECALL_ISSUED if notice.kind == NoticeKind.ISSUED else MailKind.RECALL_LIFTED
        mails_queue(
            Mail(key=f"notice:{notice.pk}:{pk}", kind=kind, user_id=pk, notice=notice) for pk in _readers(notice)
        )
        if notice.organisation is not None:
            messages_queue(notice)
    RecallNotice.objects.filter(pk__in=[notice.pk for notice in notices]).update(handed_out_at=timezone.now())
    return len(notices)


def _readers(notice: RecallNotice) -> list[int]:
    """Who gets the letter: the holder; of an organisation its owners and those who downloaded for it."""
    if notice.user_id is not None:
        return [notice.user_id]
    assert notice.organisation is not None
    versions = notice.recall.versions.values("version")
    downloaded = Q(acceptances__organisation=notice.organisation, acceptances__version__in=versions)
    owners = Q(memberships__organisation=notice.organisation, memberships__role=Role.OWNER)
    found = User.objects.filter(downloaded | owners, is_active=True)
    return list(found.order_by("pk").values_list("pk", flat=True).distinct())


def recalls_waiting() -> list[int]:
    """Recalls with notices that nobody handed out yet, oldest first."""
    waiting = RecallNotice.objects.filter(handed_out_at=None).order_by("recall_id")
    return list(waiting.values_list("recall_id", flat=True).distinct()[:100])


@audited()
def notice_acknowledge(*, notice: RecallNotice, actor: User) -> RecallNotice:
    """The holder confirms that they did what the recall asks; doing so again changes nothing."""
    locked = RecallNotice.objects.select_for_update(no_key=True).get(pk=notice.pk)
    if locked.acknowledged_at is None:
        locked.acknowledged_at, locked.acknowledged_by = timezone.now(), actor
        locked.save(update_fields=["acknowledged_at", "acknowledged_by"])
        subject = ("moderation.recall", str(locked.recall.public_id))
        audit_append(actor=actor, action="recall.acknowledged", subject=subject, data={"notice": locked.pk})
    return locked
