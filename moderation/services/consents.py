"""Consents: asked for, taken back, verified, and linked to the versions that rest on them."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import Namespace, Organisation, User
from governance.services import audit_append, audited
from moderation.consent_terms import (
    ConsentScope,
    ConsentState,
    Terms,
    Verification,
    may_become,
)
from moderation.contacts import email_digest, email_sealed, email_unsealed
from moderation.errors import ConsentConflict, ConsentDoesNotCover
from moderation.models.consent import (
    Consent,
    ConsentEvent,
    ConsentEventKind,
    ConsentLink,
    Subject,
)
from moderation.models.outbox import MailKind
from moderation.selectors.consents import consent_covers, live_consents
from moderation.services.mails import mail_queue
from moderation.services.tombstones import never_ask
from moderation.throttling import HOUR, count_or_refuse
from registry.errors import ConflictOfInterest
from registry.models import Version
from registry.sealing import seal, unseal
from registry.services.listing import permissions_refresh
from registry.states import TOMBSTONES

EMAIL_CONTEXT = "moderation.subject.email"
DETAILS_CONTEXT = "moderation.consent.details"
NOTE_CONTEXT = "moderation.consent.verification"

# What changes how far a consent reaches, or what rests on it.
REACHING = frozenset(
    {
        ConsentEventKind.GRANTED,
        ConsentEventKind.NARROWED,
        ConsentEventKind.REVOKED,
        ConsentEventKind.EXPIRED,
        ConsentEventKind.RESTORED,
        ConsentEventKind.LINKED,
        ConsentEventKind.RELEASED,
    }
)


@dataclass(frozen=True)
class ConsentAsk:
    """What a grantee asks: of whom, in which words, under which terms."""

    email: str
    name: str
    kind: str
    terms: Terms
    work: str = ""  # of an artist: which body of work
    message: str = ""


@dataclass(frozen=True)
class Details:
    """What the grantee wrote about the subject; sealed at rest."""

    name: str
    work: str
    message: str


@audited()
def consent_ask(*, actor: User, organisation: Organisation | None, ask: ConsentAsk) -> Consent:
    """Ask a subject for consent, by a letter with a link; the answer is the same whether they are known here or not.

    Raises ConsentConflict for terms that name adapters of others or end in the past, TooManyRequests.
    """
    _check_terms(ask.terms, organisation.namespace if organisation else Namespace.objects.get(user=actor))
    count_or_refuse(what="consent-ask", who=str(actor.pk), limit=settings.CONSENT_ASKS_A_DAY, window=24 * HOUR)
    digest = email_digest(ask.email)
    subject, _ = Subject.objects.get_or_create(
        email_digest=digest, defaults={"email_sealed": email_sealed(ask.email, context=EMAIL_CONTEXT)}
    )
    details = json.dumps({"name": ask.name, "work": ask.work, "message": ask.message})
    consent = Consent.objects.create(
        subject=subject,
        kind=ask.kind,
        details_sealed=seal(details.encode(), context=DETAILS_CONTEXT),
        grantee_user=None if organisation else actor,
        grantee_organisation=organisation,
        asked_by=actor,
        asked=ask.terms.to_json(),
        answer_by=timezone.now() + settings.CONSENT_ANSWER_TIME,
        **terms_columns(ask.terms),
    )
    consent_event(consent=consent, kind=ConsentEventKind.ASKED, by="grantee", actor=actor, data=ask.terms.to_json())
    if _may_be_asked(subject):
        mail_queue(key=f"consent-asked:{consent.pk}", kind=MailKind.CONSENT_ASKED, consent=consent, subject=subject)
    return consent


def _check_terms(terms: Terms, owner: Namespace) -> None:
    foreign = sorted(name for name in terms.adapters if not name.startswith(f"{owner.slug}/"))
    if foreign:
        raise ConsentConflict(
            f"{', '.join(foreign)} is not of {owner.slug}, in whose name you ask.",
            remedy=f"Name adapters as {owner.slug}/name, or ask in the name of their owner.",
        )
    if not terms.scopes or (terms.until is not None and terms.until <= timezone.now()):
        raise ConsentConflict(
            "A consent needs at least one use, and an end that lies ahead.", remedy="Correct the terms."
        )


def _may_be_asked(subject: Subject) -> bool:
    """Whether a letter goes out; where none does, the request waits and lapses, and nobody learns why."""
    lately = Consent.objects.filter(subject=subject, asked_at__gt=timezone.now() - timedelta(days=1)).count()
    declined = subject.declines_requests or never_ask(subject.email_digest)
    return not declined and lately <= settings.CONSENT_LETTERS_A_DAY


def terms_columns(terms: Terms) -> dict[str, Any]:
    """The terms as the columns of a consent."""
    return {
        "scopes": sorted(terms.scopes),
        "adapters": sorted(terms.adapters),
        "territories": sorted(terms.territories),
        "valid_until": terms.until,
    }


def consent_locked(consent: Consent) -> Consent:
    """The consent as it stands now, locked to the transaction's end."""
    return Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)


def consent_move(*, consent: Consent, to: ConsentState, **fields: Any) -> None:
    """Move a locked consent to another state; raises ConsentConflict when the table forbids it."""
    current = ConsentState(consent.state)
    if not may_become(current, to):
        raise ConsentConflict(f"The consent is {current.value} and cannot become {to.value}. {consent.meaning}")
    changes = {"state": to.value, **fields}
    for name, value in changes.items():
        setattr(consent, name, value)
    consent.save(update_fields=list(changes))


def consent_event(
    *,
    consent: Consent,
    kind: ConsentEventKind,
    by: str,
    actor: User | None = None,
    data: dict[str, Any] | None = None,
) -> ConsentEvent:
    """Write what happened into the consent's own history, and on the audit log, which seals it and names nobody.

    The names of adapters begin with those of people: the log has their number alone.
    """
    event = ConsentEvent.objects.create(consent=consent, kind=kind, by=by, actor=actor, data=data or {})
    if kind in REACHING:
        _reach(consent, event)
    audit_append(
        actor=actor,
        action=f"consent.{kind.value}",
        subject=("moderation.consent", str(consent.public_id)),
        data={"by": by, **_unnamed(data or {})},
        rows=[event],
    )
    return event


def _reach(consent: Consent, event: ConsentEvent) -> None:
    """What may be done with all that rests on this person is worked out anew: any consent of theirs may cover it."""
    links = ConsentLink.objects.filter(consent__subject=consent.subject_id, released_at=None)
    resting = set(links.values_list("version_id", flat=True))
    released = {event.data["version"]} if event.kind == ConsentEventKind.RELEASED else set()
    permissions_refresh(version_ids=resting | released)


def _unnamed(data: dict[str, Any]) -> dict[str, Any]:
    return {name: len(value) if name == "adapters" else value for name, value in data.items()}


@audited()
def consent_withdraw(*, consent: Consent, actor: User) -> Consent:
    """The grantee takes an unanswered request back; the subject's link then says so."""
    consent = consent_locked(consent)
    consent_move(consent=consent, to=ConsentState.WITHDRAWN)
    consent_event(consent=consent, kind=ConsentEventKind.WITHDRAWN, by="grantee", actor=actor)
    return consent


@audited()
def consent_verify(*, consent: Consent, actor: User, method: Verification, note: str) -> Consent:
    """A moderator says how it was made sure that the subject is who answered.

    Raises ConflictOfInterest where they asked for it themselves, or it was given to an organisation of theirs.
    """
    consent = consent_locked(consent)
    organisation = consent.grantee_organisation
    theirs = organisation is not None and organisation.memberships.filter(user=actor).exists()
    if theirs or actor.pk in {consent.asked_by_id, consent.grantee_user_id}:
        raise ConflictOfInterest(
            "This consent was asked by you, or for an organisation that you belong to.",
            remedy="Leave it to another moderator.",
        )
    consent.verification = method.value
    consent.verified_by, consent.verified_at = actor, timezone.now()
    consent.verification_note_sealed = seal(note.encode(), context=NOTE_CONTEXT) if note else None
    consent.save(update_fields=["verification", "verified_by", "verified_at", "verification_note_sealed"])
    consent_event(
        consent=consent, kind=ConsentEventKind.VERIFIED, by="moderator", actor=actor, data={"method": method.value}
    )
    return consent


@audited()
def consent_link(*, version: Version, consent: Consent, actor: User) -> ConsentLink:
    """Rest a version on a consent; doing so again changes nothing. Raises ConsentDoesNotCover."""
    consent = consent_locked(consent)
    if not consent_covers(consent, version):
        raise ConsentDoesNotCover(
            f"It is not in force, or does not allow all that {version} needs: publication"
            f"{' and commercial use, which its flags allow' if version.commercial_use else ''}, for this adapter."
        )
    link, created = ConsentLink.objects.get_or_create(
        version=version, consent=consent, released_at=None, defaults={"linked_by": actor}
    )
    if created:
        data = {"version": version.pk}
        consent_event(consent=consent, kind=ConsentEventKind.LINKED, by="grantee", actor=actor, data=data)
    return link


@audited()
def consents_link_named(*, version: Version) -> int:
    """Rest a version on every live consent that names its adapter and covers it; how many links that made."""
    made = 0
    for consent in live_consents(version=version, scope=ConsentScope.PUBLICATION):
        if consent.adapters and consent_covers(consent, version):
            _, created = ConsentLink.objects.get_or_create(version=version, consent=consent, released_at=None)
            if created:
                made += 1
                data = {"version": version.pk}
                consent_event(consent=consent, kind=ConsentEventKind.LINKED, by="house", data=data)
    return made


def versions_named(consent: Consent) -> list[Version]:
    """The versions, not withdrawn or taken down, of the adapters that a consent names."""
    owner = consent.grantee_organisation or consent.grantee_user
    assert owner is not None
    names = [name.partition("/")[2] for name in consent.adapters]
    found = Version.objects.filter(adapter__owner=owner.namespace, adapter__name__in=names)
    return list(found.exclude(state__in=TOMBSTONES).select_related("adapter__owner"))


@audited()
def consent_release(*, link: ConsentLink, actor: User, reason: str) -> None:
    """A moderator finds that a version does not rest on this consent after all."""
    locked = ConsentLink.objects.select_for_update(no_key=True).get(pk=link.pk)
    if locked.released_at is not None:
        return
    locked.released_at, locked.released_by, locked.release_reason = timezone.now(), actor, reason
    locked.save(update_fields=["released_at", "released_by", "release_reason"])
    data = {"version": locked.version_id}
    consent_event(consent=locked.consent, kind=ConsentEventKind.RELEASED, by="moderator", actor=actor, data=data)


def consent_details(consent: Consent) -> Details:
    """Name, work and message in the clear; empty where the subject had them erased."""
    if not bytes(consent.details_sealed):
        return Details("", "", "")
    return Details(**json.loads(unseal(bytes(consent.details_sealed), context=DETAILS_CONTEXT)))


def verification_note(consent: Consent) -> str:
    """What the moderator wrote about the verification, for moderators."""
    sealed = consent.verification_note_sealed
    return unseal(bytes(sealed), context=NOTE_CONTEXT).decode() if sealed else ""


def subject_email(subject: Subject) -> str:
    """The subject's address in the clear; empty after erasure."""
    return email_unsealed(bytes(subject.email_sealed), context=EMAIL_CONTEXT) if bytes(subject.email_sealed) else ""


@audited()
def subject_erase(*, subject: Subject, actor: User | None = None) -> None:
    """Erase what is known about a subject: address, names, notes and the keys of their evidence.

    Live consents must have ended before: raises ConsentConflict. The records stay, under ids alone.
    """
    consents = list(Consent.objects.select_for_update(no_key=True).filter(subject=subject))
    if any(consent.state == ConsentState.GRANTED for consent in consents):
        raise ConsentConflict("A consent is still in force.", remedy="Revoke it first; then the data can be erased.")
    now = timezone.now()
    subject.email_sealed, subject.email_digest = b"", f"erased-{subject.public_id}"
    subject.erased_at = now
    subject.save(update_fields=["email_sealed", "email_digest", "erased_at"])
    for consent in consents:
        if consent.state == ConsentState.ASKED:
            consent_move(consent=consent, to=ConsentState.LAPSED)
        consent.evidence.update(key_wrapped=None, filename_sealed=b"")
        consent.keys.all().delete()
        consent.details_sealed, consent.verification_note_sealed = b"", None
        consent.save(update_fields=["details_sealed", "verification_note_sealed"])
        consent_event(consent=consent, kind=ConsentEventKind.ERASED, by="subject", actor=actor)
