"""Whose names and works a version may carry: those of the people whose live consents it rests on."""

from collections.abc import Collection

from moderation.matching.folding import fold
from moderation.models import Consent
from moderation.screening.subject import Subject
from moderation.selectors.optout import DomainHit, NameHit, WorkHit, holders_consent
from moderation.services.consents import consent_details


def consented_names(subject: Subject) -> frozenset[str]:
    """The folded names of everybody whose checked consent covers the version."""
    return names_of_consents(subject.consents)


def names_of_consents(public_ids: Collection[str]) -> frozenset[str]:
    """The folded names of everybody who gave these consents."""
    consents = Consent.objects.filter(public_id__in=public_ids)
    return frozenset(fold(consent_details(consent).name) for consent in consents)


def excused(hit: NameHit | DomainHit | WorkHit, subject: Subject) -> bool:
    """Whether an entry of the opt-out register is the uploader's own, or of people who consented."""
    return excused_by(hit, user_id=subject.version.created_by_id, consents=subject.consents)


def excused_by(hit: NameHit | DomainHit | WorkHit, *, user_id: int, consents: Collection[str]) -> bool:
    """The same for what this account brings, resting on these consents (public ids)."""
    if user_id in hit.holders:
        return True
    given = Consent.objects.filter(public_id__in=consents)
    digests = set(given.values_list("subject__email_digest", flat=True))
    return bool(digests) and holders_consent(hit.entry_id, digests=digests)
