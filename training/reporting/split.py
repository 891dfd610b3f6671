"""The validation split: the same for the same pictures, however they were uploaded, and without near-duplicates."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_TRAINING = 3  # pictures that stay for training before any is set aside


@dataclass(frozen=True)
class Splittable:
    """A picture as the split sees it: the digest of its file, and its group of near-duplicates."""

    digest: str
    group: int | None


def validation_of(pictures: Sequence[Splittable], share: float) -> frozenset[str]:
    """The digests of the pictures set aside: as near to `share` of all as whole groups allow, and never more.

    Groups of near-duplicates go to one side as a whole: otherwise validation would measure what was learned by heart.
    Which ones is decided by the hash of their digests, so neither order nor names play a part.
    """
    wanted = min(round(share * len(pictures)), max(len(pictures) - LEAST_TRAINING, 0))
    chosen: set[str] = set()
    for members in sorted(_units(pictures), key=_rank):
        if len(chosen) + len(members) <= wanted:
            chosen.update(members)
    return frozenset(chosen)


def _units(pictures: Sequence[Splittable]) -> list[list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    alone: list[list[str]] = []
    for picture in pictures:
        if picture.group is None:
            alone.append([picture.digest])
        else:
            groups[picture.group].append(picture.digest)
    return [*alone, *groups.values()]


def _rank(members: Sequence[str]) -> bytes:
    return hashlib.sha256(("validation:" + min(members)).encode()).digest()
