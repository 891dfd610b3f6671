"""What the subject does with the link in their letter: grant, narrow, refuse, revoke; and who the link lets in."""

import hashlib
import hmac
import secrets
import uuid

from django.utils import timezone

from governance.services import audited
from moderation.consent_terms import ConsentState, EndReason, Terms, Verification
from moderation.errors import ConsentBeyondRequest, ConsentConflict
from moderation.models.consent import Consent, ConsentEventKind, ConsentKey, Subject
from moderation.models.outbox import MailKind
from moderation.services.consent_ends import consent_end, consent_narrowed
from moderation.services.consents import (
    consent_event,
    consent_locked,
    consent_move,
    consents_link_named,
    terms_columns,
    versions_named,
)
from moderation.services.mails import mail_queue


def key_create(*, consent: Consent) -> str:
    """A new secret for the subject's page. It goes into one letter and is kept nowhere; its digest is."""
    secret = secrets.token_urlsafe(32)
    ConsentKey.objects.create(consent=consent, digest=key_digest(secret))
    return secret


def key_digest(secret: str) -> str:
    """SHA-256: the secret has 256 random bits, so a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def consent_by_key(*, public_id: uuid.UUID, digest: str) -> Consent | None:
    """The consent that this secret opens; compared in constant time, None for whatever does not fit."""
    related = ("subject", "grantee_user__namespace", "grantee_organisation__namespace", "asked_by")
    consent = Consent.objects.select_related(*related).filter(public_id=public_id).first()
    known = list(consent.keys.values_list("digest", flat=True)) if consent else []
    fits = [hmac.compare_digest(found, digest) for found in known]
    return consent if any(fits) else None


@audited()
def consent_grant(*, consent: Consent, terms: Terms) -> Consent:
    """The subject grants what was asked, or less; what ended may be granted again. Raises ConsentBeyondRequest."""
    consent = consent_locked(consent)
    _check_open(consent)
    _check_within(terms, consent.asked_terms)
    now = timezone.now()
    if terms.until is not None and terms.until <= now:
        raise ConsentBeyondRequest("The end lies in the past.", remedy="Choose a day that lies ahead, or refuse.")
    consent_move(
        consent=consent,
        to=ConsentState.GRANTED,
        answered_at=now,
        valid_from=now,
        ended_at=None,
        end_reason="",
        verification=_at_least_mail(consent),
        **terms_columns(terms),
    )
    consent_event(consent=consent, kind=ConsentEventKind.GRANTED, by="subject", data=terms.to_json())
    for version in versions_named(consent):
        consents_link_named(version=version)
    _tell_both(consent)
    return consent


def _check_open(consent: Consent) -> None:
    if consent.state == ConsentState.GRANTED:
        raise ConsentConflict("It is granted already.", remedy="Narrow or revoke it.")
    if consent.state == ConsentState.ASKED and consent.answer_by <= timezone.now():
        raise ConsentConflict("The time for an answer is over.", remedy="Ask the person who asked you to ask again.")


def _check_within(terms: Terms, limit: Terms) -> None:
    if not terms.scopes:
        raise ConsentBeyondRequest("No use is ticked.", remedy="Tick at least one, or refuse.")
    if wider := terms.beyond(limit):
        raise ConsentBeyondRequest(f"These reach further than what was asked: {', '.join(wider)}.")


def _at_least_mail(consent: Consent) -> str:
    return Verification.MAIL.value if consent.verification == Verification.NONE else consent.verification


@audited()
def consent_refuse(*, consent: Consent, never_again: bool = False) -> Consent:
    """The subject refuses; with `never_again` no further request reaches them."""
    consent = consent_locked(consent)
    consent_move(consent=consent, to=ConsentState.REFUSED, answered_at=timezone.now())
    consent_event(consent=consent, kind=ConsentEventKind.REFUSED, by="subject")
    if never_again:
        Subject.objects.filter(pk=consent.subject_id).update(declines_requests=True)
    _tell_both(consent)
    return consent


@audited()
def consent_narrow(*, consent: Consent, terms: Terms) -> Consent:
    """The subject takes a part back; it takes effect at once, as an end does. Raises ConsentBeyondRequest."""
    consent = consent_locked(consent)
    if consent.state != ConsentState.GRANTED:
        raise ConsentConflict("Only a consent that is in force can be narrowed.")
    _check_within(terms, consent.terms)
    if terms.until is not None and terms.until <= timezone.now():
        raise ConsentBeyondRequest("The end lies in the past.", remedy="Choose a day that lies ahead, or revoke it.")
    if terms == consent.terms:
        return consent
    consent_move(consent=consent, to=ConsentState.GRANTED, **terms_columns(terms))
    consent_event(consent=consent, kind=ConsentEventKind.NARROWED, by="subject", data=terms.to_json())
    consent_narrowed(consent=consent)
    _tell_both(consent)
    return consent


def consent_revoke(*, consent: Consent) -> Consent:
    """The subject takes it back; at once, and whatever rests on it is held back in the same transaction."""
    return consent_end(consent=consent, why=EndReason.REVOKED)


def _tell_both(consent: Consent) -> None:
    """The grantee of the answer, and the subject, with a link that still works when the first letter is lost."""
    count = consent.events.count()
    mail_queue(
        key=f"consent-answered:{consent.pk}:{count}",
        kind=MailKind.CONSENT_ANSWERED,
        consent=consent,
        user=consent.asked_by,
    )
    mail_queue(
        key=f"consent-confirmed:{consent.pk}:{count}",
        kind=MailKind.CONSENT_CONFIRMED,
        consent=consent,
        subject=consent.subject,
    )
