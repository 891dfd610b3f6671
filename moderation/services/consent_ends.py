"""The end of a consent and all that follows from it, in one transaction.

The consent ends, every version that rests on it without another live consent of the same person is held back, a recall
with one notice for each holder of a receipt is written. What remains, letters and webhook messages, is done by tasks
from these rows. Done twice, it changes nothing; killed in between, the sweep goes on from the rows.
"""

import logging
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.errors import DomainError
from accounts.models import User
from governance.models import DecisionRecord
from governance.services import audited
from moderation.consent_terms import ConsentState, EndReason
from moderation.models.consent import Consent, ConsentEventKind, ConsentLink, Subject
from moderation.models.outbox import MailKind
from moderation.models.recall import Recall
from moderation.selectors.consents import covering, uncovered_line
from moderation.services.consents import consent_event, consent_locked, consent_move
from moderation.services.mails import mail_queue
from moderation.services.recall import Held, recall_write
from moderation.signals import consent_ended
from registry.models import Version
from registry.services.holding import version_quarantine
from registry.states import VersionState

log = logging.getLogger(__name__)

CODE = "consent-ended"
NARROWED = "narrowed"
IN_CIRCULATION = (VersionState.PUBLISHED, VersionState.IN_REVIEW)
SWEEP = 100  # consents that one sweep ends
WORDS = {
    EndReason.REVOKED.value: "A person whose consent it rests on has revoked it.",
    EndReason.EXPIRED.value: "The consent of a person on which it rests has run out.",
    NARROWED: "A person whose consent it rests on has narrowed it, and it does not cover this any more.",
}
WHAT_TO_DO = (
    "Stop using the adapter, stop offering pictures made with it, and delete every copy that you hold, merges made "
    "with it included. Tell those to whom you passed it on. Then confirm it on this page."
)
REMEDY = "Ask the person again. When they grant it, a moderator can lift the recall and publish the version again."


@audited()
def consent_end(*, consent: Consent, why: EndReason, actor: User | None = None) -> Consent:
    """End a consent that holds, with everything that follows; one that does not hold is left as it is."""
    consent = consent_locked(consent)
    if consent.state != ConsentState.GRANTED:
        return consent
    consent_move(consent=consent, to=why.state, ended_at=timezone.now(), end_reason=why.value)
    kind = ConsentEventKind(why.value)
    event = consent_event(
        consent=consent, kind=kind, by="subject" if why is EndReason.REVOKED else "house", actor=actor
    )
    _follow(consent, why.value)
    for reader in ({"user": consent.asked_by}, {"subject": consent.subject}):
        mail_queue(
            key=f"consent-ended:{event.pk}:{'grantee' if 'user' in reader else 'subject'}",
            kind=MailKind.CONSENT_ENDED,
            consent=consent,
            **reader,
        )
    return consent


def consent_narrowed(*, consent: Consent) -> Recall | None:
    """What follows when a consent that goes on covers less; inside the transaction of the change."""
    return _follow(consent, NARROWED)


def _follow(consent: Consent, why: str) -> Recall | None:
    recall = withhold(
        consent=consent,
        version_ids=consent.links.filter(released_at=None).values_list("version_id", flat=True),
        why=why,
    )
    transaction.on_commit(lambda: consent_ended.send(sender=Consent, consent_id=consent.pk), robust=True)
    return recall


def withhold(*, consent: Consent, version_ids: Iterable[int], why: str) -> Recall | None:
    """Hold back those of these versions, and all made from them, that no live consent of the subject covers.

    Runs in the caller's transaction. Returns the recall, or None where nothing was left uncovered.
    """
    lost = uncovered_line(_versions(version_ids), consent.subject, _covered, up=False)
    if not lost:
        return None
    held = [Held(version, version.state, _quarantine(version, why)) for version in _versions(lost)]
    return recall_write(
        versions=held,
        cause=f"consent-{consent.pk}",
        reason_code=CODE,
        public_text=WORDS[why],
        what_to_do=WHAT_TO_DO,
        consent=consent,
    )


def _versions(version_ids: Iterable[int]) -> list[Version]:
    """In the order in which every service locks them."""
    found = Version.objects.filter(pk__in=list(version_ids)).select_related("adapter__owner", "created_by", "decision")
    return list(found.order_by("adapter_id", "pk"))


def _covered(version: Version, subject: Subject) -> bool:
    return covering(version, subject) is not None


def _quarantine(version: Version, why: str) -> DecisionRecord | None:
    """What is in circulation is held back; anything else is not, and is only named in the recall."""
    if version.state not in IN_CIRCULATION:
        return None
    return version_quarantine(
        version=version,
        actor=None,
        code=CODE,
        what="It was held back: a consent that it needs does not hold any more.",
        why=WORDS[why],
        remedy=REMEDY,
    )


def consents_expire() -> int:
    """End what has run out and what nobody answered in time, each in a transaction of its own; how many there were."""
    now = timezone.now()
    ending = Consent.objects.filter(state=ConsentState.GRANTED, valid_until__lte=now).order_by("valid_until", "pk")
    ended = sum(_expire(consent) for consent in ending[:SWEEP])
    unanswered = Consent.objects.filter(state=ConsentState.ASKED, answer_by__lte=now).order_by("answer_by", "pk")
    lapsed = [_lapse(consent) for consent in unanswered[:SWEEP]]
    return ended + len(lapsed)


def _expire(consent: Consent) -> bool:
    """One that cannot be ended must not keep the others from it; it is not live all the same."""
    try:
        consent_end(consent=consent, why=EndReason.EXPIRED)
    except DomainError:
        log.exception("The end of %s could not be carried out; the next sweep tries again.", consent)
        return False
    return True


@audited()
def _lapse(consent: Consent) -> None:
    consent = consent_locked(consent)
    if consent.state == ConsentState.ASKED:
        consent_move(consent=consent, to=ConsentState.LAPSED)
        consent_event(consent=consent, kind=ConsentEventKind.LAPSED, by="house")


def uncovered_withhold() -> int:
    """Hold back what is in circulation although a consent that it rests on does not hold: how many there were.

    Nothing should come here, because ends and publications wait for one another; it is the net below them.
    """
    links = ConsentLink.objects.filter(released_at=None, version__state__in=IN_CIRCULATION).exclude(
        consent__state=ConsentState.GRANTED
    )
    links = links.select_related("consent__subject", "version__adapter__owner").order_by("pk")
    uncovered = [link for link in links if covering(link.version, link.consent.subject) is None]
    for link in uncovered:
        _withhold_now(link)
    return len(uncovered)


@audited()
def _withhold_now(link: ConsentLink) -> None:
    consent = consent_locked(link.consent)
    why = consent.end_reason or NARROWED
    withhold(consent=consent, version_ids=[link.version_id], why=why)
