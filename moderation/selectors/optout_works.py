"""Which registered works a picture shows: likely ones are found by the index, and each is verified."""

from dataclasses import dataclass

from moderation.matching.pictures import Description, Evidence, Query, examine, verify
from moderation.models import ClaimState, OptOutClaim, WorkFeatures, WorkHash
from moderation.selectors.optout import file_digest
from moderation.selectors.optout_index import works_index
from registry.pictures import picture_open


@dataclass(frozen=True)
class WorkMatch:
    """An entry, and what the match rests on."""

    owner: int
    evidence: str
    distance: int | None = None
    inliers: int | None = None
    mirrored: bool = False


def matches_of(picture: bytes, *, sent: str = "", query: Query | None = None) -> list[WorkMatch]:
    """Every work of the register that the picture shows, whatever its state; one match for each.

    A work with features is decided by them. The bare hash of a list decides alone, at the strict threshold.
    """
    query = query or examine(picture_open(picture))
    with works_index() as index:
        likely = {candidate.owner for candidate in index.candidates(query)}
        listed = index.listed_within(query)
    described = _described(likely | listed.keys())
    found = {owner: WorkMatch(owner, "file", 0) for owner in _same_file(picture, sent)}
    alone = listed.keys() - described.keys() | _on_lists(listed.keys() & described.keys())
    for owner in alone - found.keys():
        found[owner] = WorkMatch(owner, "list", listed[owner][1])
    for owner, work in described.items():
        match = _verified(owner, work, query)
        if match is not None:
            found[owner] = match
    return list(found.values())


def _same_file(picture: bytes, sent: str) -> list[int]:
    digests = {file_digest(picture), bytes.fromhex(sent)} - {b""}
    same = WorkHash.objects.filter(algorithm="sha256", bits__in=digests)
    return list(same.values_list("entry_id", flat=True).distinct())


def _on_lists(owners: set[int]) -> set[int]:
    """Those of them that a list names too: its bare hash stands for them as it does for others."""
    claims = OptOutClaim.objects.filter(entry__in=owners, source__isnull=False, state=ClaimState.ACTIVE)
    return set(claims.values_list("entry_id", flat=True))


def _described(owners: set[int]) -> dict[int, Description]:
    rows = WorkFeatures.objects.filter(entry__in=owners).values_list("entry_id", "description")
    return {owner: Description.from_bytes(bytes(stored)) for owner, stored in rows}


def _verified(owner: int, work: Description, query: Query) -> WorkMatch | None:
    verdict = verify(work, query)
    if not verdict.matched:
        return None
    inliers = verdict.inliers if verdict.evidence is Evidence.GEOMETRY else None
    return WorkMatch(owner, verdict.evidence.value, verdict.pdq, inliers, verdict.mirrored)
