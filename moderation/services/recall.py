"""Recalls: written with their notices in the transaction that holds versions back, handed out by tasks, lifted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.permissions import Role
from governance.models import DecisionRecord
from governance.services import audit_append, audited
from moderation.consent_terms import ConsentState
from moderation.errors import RecallStands
from moderation.models.consent import Consent, ConsentEventKind, ConsentLink
from moderation.models.outbox import Mail, MailKind, OutState, WebhookDelivery
from moderation.models.recall import NoticeKind, Recall, RecallNotice, RecallState, RecallVersion
from moderation.selectors.consents import missing_consents
from moderation.services.consents import consent_event, consent_locked, consent_move, consent_release
from moderation.services.mails import mails_queue
from moderation.services.webhook_messages import messages_queue
from moderation.signals import recall_issued
from registry.models import Acceptance, Version
from registry.services.holding import check_impartial, version_reinstate
from registry.states import VersionState

BATCH = 500  # notices handed out in one transaction


@dataclass(frozen=True)
class Held:
    """A version in a recall: its state before, and the decision that held it back where it was in circulation."""

    version: Version
    state_before: str
    decision: DecisionRecord | None = None


class Ground(StrEnum):
    """Why a moderator may lift a recall that follows from a consent."""

    LIVE_AGAIN = "live-again"  # the person has granted again, or another consent of theirs covers it
    NOT_NEEDED = "not-needed"  # the version does not rest on that consent
    ENDED_IN_ERROR = (
        "ended-in-error"  # not the person's own will, or by a mistake of the house: the consent is restored
    )


def recall_version(*, version: Version, reason_code: str, public_text: str, what_to_do: str) -> Recall:
    """Tell everybody who holds a receipt of `version`. Of one reason there is one open recall, whoever asks how often.

    The state of the version is the caller's matter; runs in the caller's transaction, or one of its own.
    """
    with audited():
        recall = recall_write(
            versions=[Held(version, version.state)],
            cause=f"reason-{reason_code}",
            reason_code=reason_code,
            public_text=public_text,
            what_to_do=what_to_do,
        )
        if recall is not None:
            return recall
        return Recall.objects.get(
            versions__version=version, versions__cause=f"reason-{reason_code}", versions__open=True
        )


@audited()
def recall_write(
    *,
    versions: Sequence[Held],
    cause: str,
    reason_code: str,
    public_text: str,
    what_to_do: str,
    consent: Consent | None = None,
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
    _write_notices(recall, NoticeKind.ISSUED)
    audit_append(
        actor=None,
        action="recall.issued",
        subject=("moderation.recall", str(recall.public_id)),
        data={"reason": reason_code, "cause": cause, "versions": [held.version.pk for held in fresh]},
        rows=[recall],
    )
    _announce(recall)
    return recall


def _announce(recall: Recall) -> None:
    transaction.on_commit(lambda: recall_issued.send(sender=Recall, recall_id=recall.pk), robust=True)


def _write_notices(recall: Recall, kind: NoticeKind) -> None:
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


@audited()
def recall_reverse(
    *, recall: Recall, actor: User, ground: Ground, public_reasoning: str, private_notes: str = ""
) -> Recall:
    """A moderator lifts a recall with reasons: its versions are published again, and its readers are told.

    Only what the recall itself took out of circulation comes back, and only where no other recall stands against it.
    Raises RecallStands where the ground does not hold, ConflictOfInterest over one's own uploads.
    """
    recall = Recall.objects.select_for_update(no_key=True).get(pk=recall.pk)
    if recall.state != RecallState.ISSUED:
        raise RecallStands("It is lifted already.", remedy="Nothing is left to do.")
    entries = list(recall.versions.select_related("version__adapter__owner").order_by("version__adapter_id", "pk"))
    for entry in entries:
        check_impartial(version=entry.version, actor=actor)
    _make_ground_hold(recall, entries, ground, actor, public_reasoning)
    recall.versions.update(open=False)
    recall.state, recall.lifted_at, recall.lifted_by = RecallState.LIFTED, timezone.now(), actor
    recall.lifted_reasoning, recall.lifted_notes = public_reasoning, private_notes
    recall.save(update_fields=["state", "lifted_at", "lifted_by", "lifted_reasoning", "lifted_notes"])
    back = [entry.version.pk for entry in entries if _reinstate(entry, actor, public_reasoning, private_notes)]
    _drop_unsent(recall)
    _write_notices(recall, NoticeKind.LIFTED)
    audit_append(
        actor=actor,
        action="recall.lifted",
        subject=("moderation.recall", str(recall.public_id)),
        data={"ground": ground.value, "published_again": back},
    )
    _announce(recall)
    return recall


def _make_ground_hold(
    recall: Recall, entries: Sequence[RecallVersion], ground: Ground, actor: User, reasoning: str
) -> None:
    if recall.consent is None:
        return
    if ground is Ground.ENDED_IN_ERROR:
        _restore(recall.consent, actor)
    elif ground is Ground.NOT_NEEDED:
        links = ConsentLink.objects.filter(consent=recall.consent, released_at=None)
        for link in links.filter(version__in=[entry.version_id for entry in entries]):
            consent_release(link=link, actor=actor, reason=reasoning)
    for entry in entries:
        missing = [found for found in missing_consents(entry.version) if found.subject == recall.consent.subject]
        if missing:
            raise RecallStands(f"No consent of that person that is in force covers {entry.version} as it stands.")


def _restore(consent: Consent, actor: User) -> None:
    """A consent that was ended in error holds again, within its old terms; its subject is told and can revoke it."""
    consent = consent_locked(consent)
    if consent.state == ConsentState.GRANTED:
        return
    if consent.valid_until is not None and consent.valid_until <= timezone.now():
        raise RecallStands("The consent would have run out by now.", remedy="Ask the person to grant it anew.")
    consent_move(consent=consent, to=ConsentState.GRANTED, ended_at=None, end_reason="")
    event = consent_event(consent=consent, kind=ConsentEventKind.RESTORED, by="moderator", actor=actor)
    mails_queue(
        [
            Mail(
                key=f"consent-restored:{event.pk}",
                kind=MailKind.CONSENT_RESTORED,
                consent=consent,
                subject=consent.subject,
            )
        ]
    )


def _reinstate(entry: RecallVersion, actor: User, public_reasoning: str, private_notes: str) -> bool:
    """Publish a version again that was published when this recall held it back, unless another recall is open."""
    version = Version.objects.select_related("adapter__owner").get(pk=entry.version_id)
    held_by_us = entry.decision_id is not None and version.decision_id == entry.decision_id
    again = held_by_us and entry.state_before == VersionState.PUBLISHED
    if not again or version.state != VersionState.QUARANTINED or version.recalls.filter(open=True).exists():
        return False
    version_reinstate(version=version, actor=actor, public_reasoning=public_reasoning, private_notes=private_notes)
    return True


def _drop_unsent(recall: Recall) -> None:
    """Word of a recall that has not left the house does not leave it after it was lifted."""
    now = timezone.now()
    recall.notices.filter(kind=NoticeKind.ISSUED, handed_out_at=None).update(handed_out_at=now)
    waiting = {"state": OutState.QUEUED, "notice__recall": recall, "notice__kind": NoticeKind.ISSUED}
    free = Q(lease_until=None) | Q(lease_until__lt=now - timedelta(minutes=5))
    for model in (Mail, WebhookDelivery):
        model.objects.filter(free, attempts=0, **waiting).update(state=OutState.DROPPED, finished_at=now)
