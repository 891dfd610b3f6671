"""The consents that a dataset may rest on, as people choose between them."""

from dataclasses import dataclass

from accounts.errors import NotFound
from moderation.models import Consent
from moderation.services.consents import consent_details
from training.models import Dataset
from training.selectors.rights import live_training_consents


@dataclass(frozen=True)
class LinkedConsent:
    """A consent that the dataset rests on, and whether it holds now."""

    consent: Consent
    name: str
    holds: bool


def consents_to_choose(dataset: Dataset) -> list[tuple[str, str]]:
    """(public id, name and kind) of what lets the owner train now."""
    found = live_training_consents(dataset)
    return [(str(one.public_id), f"{consent_details(one).name}, {one.get_kind_display()}") for one in found]


def consents_linked(dataset: Dataset) -> list[LinkedConsent]:
    """What the set is linked to, with those that ended since."""
    live = {one.pk for one in live_training_consents(dataset)}
    links = dataset.consent_links.filter(released_at=None).select_related("consent__subject").order_by("linked_at")
    return [LinkedConsent(link.consent, consent_details(link.consent).name, link.consent_id in live) for link in links]


def consent_to_rest_on(dataset: Dataset, public_id: str) -> Consent:
    """A consent that lets the owner train now; any other is not there."""
    found = next((one for one in live_training_consents(dataset) if str(one.public_id) == public_id), None)
    if found is None:
        raise NotFound("There is no such consent that this set could rest on.")
    return found
