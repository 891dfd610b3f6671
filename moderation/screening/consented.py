"""Whose names and works a version may carry: those of the people whose live consents it rests on."""

from moderation.matching.folding import fold
from moderation.models import Consent
from moderation.screening.subject import Subject
from moderation.selectors.optout import DomainHit, NameHit, WorkHit, holders_consent
from moderation.services.consents import consent_details


def consented_names(subject: Subject) -> frozenset[str]:
    """The folded names of everybody whose checked consent covers the version."""
    consents = Consent.objects.filter(public_id__in=subject.consents)
    return frozenset(fold(consent_details(consent).name) for consent in consents)


def excused(hit: NameHit | DomainHit | WorkHit, subject: Subject) -> bool:
    """Whether an entry of the opt-out register is the uploader's own, or of people who consented."""
    if subject.version.created_by_id in hit.holders:
        return True
    consents = Consent.objects.filter(public_id__in=subject.consents)
    digests = set(consents.values_list("subject__email_digest", flat=True))
    return bool(digests) and holders_consent(hit.entry_id, digests=digests)
