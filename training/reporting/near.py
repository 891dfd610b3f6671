"""Which pictures of a set are nearly the same, by the hashes and colours that were kept of them."""

from collections.abc import Sequence
from dataclasses import dataclass

HASH_NEAR = 8  # of 64 bits: recompressed, resized or slightly cropped copies; unrelated pictures differ by about 32
COLOUR_NEAR = 14.0  # mean absolute difference of 8 × 8 RGB means, of 255: brightened copies differ by about 7
FIELD_NEAR = 16.0  # of the field that differs most; copies differ by up to 11, two shapes on one ground by 17 or more


@dataclass(frozen=True)
class Look:
    """What is compared of a picture: its pHash as a number, and 192 bytes of mean colours."""

    phash: int
    colours: bytes


def are_near(one: Look, other: Look) -> bool:
    """Whether two pictures are nearly the same: pHash sees outlines alone, so their colours have to agree too."""
    if (one.phash ^ other.phash).bit_count() > HASH_NEAR:
        return False
    if colour_distance(one.colours, other.colours) > COLOUR_NEAR:
        return False
    return field_distance(one.colours, other.colours) <= FIELD_NEAR


def colour_distance(one: bytes, other: bytes) -> float:
    """Mean absolute difference, 0 to 255; the largest where the sizes differ."""
    if len(one) != len(other) or not one:
        return 255.0
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def field_distance(one: bytes, other: bytes) -> float:
    """The largest difference of a field's three channels in the mean, 0 to 255: what a small thing changes."""
    apart = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return max(sum(apart[at : at + 3]) / 3 for at in range(0, len(apart), 3))


def near_groups(looks: Sequence[Look]) -> list[int | None]:
    """For each picture the number of its group of near-duplicates; None where it has none.

    Groups are joined over neighbours: a picture near to one of a group belongs to it. Numbers count from 1 in order.
    """
    leader = list(range(len(looks)))

    def root(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for place, look in enumerate(looks):
        for earlier in range(place):
            if are_near(looks[earlier], look):
                leader[root(place)] = root(earlier)
    return _numbered([root(place) for place in range(len(looks))])


def _numbered(roots: Sequence[int]) -> list[int | None]:
    members: dict[int, int] = {}
    for one in roots:
        members[one] = members.get(one, 0) + 1
    numbers: dict[int, int] = {}
    for one in roots:
        if members[one] > 1:
            numbers.setdefault(one, len(numbers) + 1)
    return [numbers.get(one) for one in roots]
