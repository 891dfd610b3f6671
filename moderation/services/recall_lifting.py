"""Lifting recalls: by a moderator with reasons, or because what was recalled came back online."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.consent_terms import ConsentState
from moderation.errors import RecallStands
from moderation.models.consent import Consent, ConsentEventKind, ConsentLink
from moderation.models.outbox import Mail, MailKind
from moderation.models.recall import NoticeKind, Recall, RecallState, RecallVersion
from moderation.selectors.consents import missing_consents
from moderation.selectors.grave import grave_questions
from moderation.selectors.recall import notice_key
from moderation.services.consents import consent_event, consent_locked, consent_move, consent_release
from moderation.services.mails import mails_queue
from moderation.services.recall import notices_write, recall_announce
from registry.models import Version
from registry.models.outbox import OutState, WebhookDelivery
from registry.services.holding import check_impartial, version_reinstate
from registry.states import VersionState


class Ground(StrEnum):
    """Why a moderator may lift a recall that follows from a consent."""

    LIVE_AGAIN = "live-again"  # the person has granted again, or another consent of theirs covers it
    NOT_NEEDED = "not-needed"  # the version does not rest on that consent
    ENDED_IN_ERROR = (
        "ended-in-error"  # not the person's own will, or by a mistake of the house: the consent is restored
    )


@audited()
def recall_reverse(
    *, recall: Recall, actor: User, ground: Ground | None = None, public_reasoning: str, private_notes: str = ""
) -> Recall:
    """A moderator lifts a recall with reasons, and its readers are told.

    One that follows from a consent needs a ground that holds, and its versions are published again; one that came with
    a decision about a version leaves that as it stands.

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
    _close(recall, actor, public_reasoning, private_notes)
    back = [entry.version.pk for entry in entries if _reinstate(entry, actor, public_reasoning, private_notes)]
    _tell(recall, actor, {"ground": ground.value if ground else "", "published_again": back})
    return recall


@audited()
def recalls_lift(
    *, version: Version, causes: Iterable[str], actor: User, public_reasoning: str, private_notes: str = ""
) -> list[Recall]:
    """Lift what recalls a version for these causes, because it came back online: whoever was told is told of that."""
    found = Recall.objects.filter(
        state=RecallState.ISSUED, versions__version=version, versions__cause__in=list(causes), versions__open=True
    )
    recalls = list(Recall.objects.select_for_update(no_key=True).filter(pk__in=found.values("pk")).order_by("pk"))
    for recall in recalls:
        _close(recall, actor, public_reasoning, private_notes)
        _tell(recall, actor, {"version": version.pk})
    return recalls


def _close(recall: Recall, actor: User, public_reasoning: str, private_notes: str) -> None:
    recall.versions.update(open=False)
    recall.state, recall.lifted_at, recall.lifted_by = RecallState.LIFTED, timezone.now(), actor
    recall.lifted_reasoning, recall.lifted_notes = public_reasoning, private_notes
    recall.save(update_fields=["state", "lifted_at", "lifted_by", "lifted_reasoning", "lifted_notes"])


def _tell(recall: Recall, actor: User, data: dict[str, Any]) -> None:
    _drop_unsent(recall)
    notices_write(recall, NoticeKind.LIFTED)
    subject = ("moderation.recall", str(recall.public_id))
    audit_append(actor=actor, action="recall.lifted", subject=subject, data=data)
    recall_announce(recall)


def _make_ground_hold(
    recall: Recall, entries: Sequence[RecallVersion], ground: Ground | None, actor: User, reasoning: str
) -> None:
    if recall.consent is None:
        return
    if ground is None:
        raise RecallStands("It follows from a consent, and nothing says on which ground it is lifted.")
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
    """Publish a version again that was published when this recall held it back, unless something else stands open."""
    if entry.recall.consent_id is None:
        return False  # what a moderator took down comes back by a decision about it alone
    version = Version.objects.select_related("adapter__owner").get(pk=entry.version_id)
    held_by_us = entry.decision_id is not None and version.decision_id == entry.decision_id
    again = held_by_us and entry.state_before == VersionState.PUBLISHED
    if not again or version.state != VersionState.QUARANTINED or version.recalls.filter(open=True).exists():
        return False
    if grave_questions(version):
        return False  # its case decides; that this recall is lifted does not answer it
    version_reinstate(version=version, actor=actor, public_reasoning=public_reasoning, private_notes=private_notes)
    return True


def _drop_unsent(recall: Recall) -> None:
    """Word of a recall that has not left the house does not leave it after it was lifted."""
    now = timezone.now()
    recall.notices.filter(kind=NoticeKind.ISSUED, handed_out_at=None).update(handed_out_at=now)
    issued = recall.notices.filter(kind=NoticeKind.ISSUED)
    free = Q(lease_until=None) | Q(lease_until__lt=now - timedelta(minutes=5))
    keys = [notice_key(notice) for notice in issued]
    for told in (Mail.objects.filter(notice__in=issued), WebhookDelivery.objects.filter(key__in=keys)):
        told.filter(free, attempts=0, state=OutState.QUEUED).update(state=OutState.DROPPED, finished_at=now)
