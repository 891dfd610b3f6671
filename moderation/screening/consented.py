"""Whose names a version may carry: those of the people whose live consents it rests on."""

from moderation.matching.folding import fold
from moderation.models import Consent
from moderation.screening.subject import Subject
from moderation.services.consents import consent_details


def consented_names(subject: Subject) -> frozenset[str]:
    """The folded names of everybody whose checked consent covers the version."""
    consents = Consent.objects.filter(public_id__in=subject.consents)
    return frozenset(fold(consent_details(consent).name) for consent in consents)
