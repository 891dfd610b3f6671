"""What a snapshot rests on, in the policy engine's plain values."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from governance.policy import Component, Finding, Role
from moderation.consent_terms import CHECKED, ConsentScope
from moderation.models import Consent
from moderation.selectors.consents import grantee_consents
from training.models import Dataset, DatasetBlock, DatasetSnapshot, Origin

OWN_WORK = "Own work of {owner}, who affirmed to hold every right to it"


@dataclass(frozen=True)
class DatasetRights:
    """The snapshot's part of the question whether a run may start.

    `components` has one training-data component for each licence among the pictures; own work has none, because nobody
    needs a licence from themselves: `training_sources` says it. A picture of others without a licence has a component
    with `licence_id=None`, which the engine never allows by itself.
    """

    components: tuple[Component, ...]
    findings: tuple[Finding, ...]
    consent_ids: tuple[str, ...]
    training_sources: tuple[str, ...]
    depicts_real_person: bool


def dataset_rights(snapshot: DatasetSnapshot, *, adapter_name: str = "") -> DatasetRights:
    """The rights behind a snapshot now: consents are asked for at this moment, blocks that stand are findings.

    `adapter_name` ("owner/name") lets consents count that are for this adapter alone.
    """
    manifest, dataset = snapshot.manifest, snapshot.dataset
    entries: list[dict[str, Any]] = manifest.get("pictures", [])
    return DatasetRights(
        components=_components(manifest, entries, str(dataset)),
        findings=(*_findings(manifest, entries), *_blocks(snapshot)),
        consent_ids=consents_in_force(dataset, adapter_name=adapter_name, also=_named(entries)),
        training_sources=_sources(manifest, entries, dataset.owner.slug),
        depicts_real_person=bool(manifest.get("depicts_real_person")) or any(e["depicts_person"] for e in entries),
    )


def _named(entries: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(entry["consent"] for entry in entries if entry["consent"])


def consents_in_force(
    dataset: Dataset, *, adapter_name: str = "", also: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Public ids of the consents to train that the dataset, or a picture of it, rests on: live, and checked."""
    linked = dataset.consent_links.filter(released_at=None).values_list("consent__public_id", flat=True)
    wanted = {str(pk) for pk in linked} | also
    wanted |= {str(pk) for pk in dataset.pictures.exclude(consent=None).values_list("consent__public_id", flat=True)}
    live = live_training_consents(dataset, adapter_name=adapter_name)
    return tuple(sorted(str(one.public_id) for one in live if str(one.public_id) in wanted))


def live_training_consents(dataset: Dataset, *, adapter_name: str = "") -> list[Consent]:
    """Consents that let the owner train now and whose subject a moderator has made sure of.

    Those for certain adapters alone count only when one of these is named: a dataset may serve any adapter.
    """
    found = grantee_consents(owner=dataset.owner, scope=ConsentScope.TRAINING, adapter_name=adapter_name)
    return [consent for consent in found if consent.verification in CHECKED]


def _components(manifest: dict[str, Any], entries: list[dict[str, Any]], label: str) -> tuple[Component, ...]:
    counted: Counter[str] = Counter()
    for entry in entries:
        if not is_own(manifest, entry):
            counted[entry["licence_id"] or manifest.get("licence_id", "")] += 1
    return tuple(
        Component(
            role=Role.TRAINING_DATA,
            name=f"{label}: {count} pictures under {licence or 'no stated licence'}",
            licence_id=licence or None,
            asserted_by=label.partition("/")[0],
            facts={"pictures": count},
        )
        for licence, count in sorted(counted.items())
    )


def is_own(manifest: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether a picture counts as the owner's own: a licence of its own says that it is somebody else's."""
    return manifest.get("origin") == Origin.OWN and not entry["licence_id"]


def _findings(manifest: dict[str, Any], entries: list[dict[str, Any]]) -> tuple[Finding, ...]:
    every = [*manifest.get("findings", []), *(found for entry in entries for found in entry["findings"])]
    return tuple(Finding(**found) for found in every)


def blocks_against(snapshot: DatasetSnapshot) -> QuerySet[DatasetBlock]:
    """What came to light since: of the set, and of pictures that are in this very snapshot, removed ones as well."""
    standing = DatasetBlock.objects.filter(dataset=snapshot.dataset_id, cleared_at=None)
    return standing.filter(Q(picture=None) | Q(snapshots=snapshot)).distinct()


def _blocks(snapshot: DatasetSnapshot) -> tuple[Finding, ...]:
    return tuple(
        Finding("dataset", block.code, block.message, {"block": block.pk}) for block in blocks_against(snapshot)
    )


def _sources(manifest: dict[str, Any], entries: list[dict[str, Any]], owner: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    if any(is_own(manifest, entry) for entry in entries):
        found[OWN_WORK.format(owner=owner)] = None
    texts = [manifest.get("source", ""), *(entry["source"] for entry in entries)]
    found |= dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip())
    return tuple(found)
