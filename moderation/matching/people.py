"""Many faces at once: the nearest of a list of known ones, and who repeats across a set of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation.matching.faces import MATCH, Descriptor, Face

Numbers = NDArray[np.float64]

# A person repeats where their face is in at least so many pictures, and these are such a share of the pictures that
# show any face. The second count holds whatever the share: training sets of one person are mixed with hundreds of other
# people ("regularisation pictures") as a matter of course, which must not hide the one that the set is about.
REPEATS_FROM = 5
REPEATS_SHARE = 0.6
REPEATS_ANYHOW = 15

FACES_OF_A_PICTURE = 4  # the largest; who is smaller than four others is not what the picture is about
FACES_AT_ONCE = 4000  # compared each with each; of more, pictures are taken evenly over the set
BLOCK = 1024


@dataclass(frozen=True)
class Person:
    """Faces that look like one person: their (picture, face) places, and the most typical of them.

    `share` is of those compared pictures that show any face. `repeats`: this looks like a set about one person.
    """

    places: tuple[tuple[int, int], ...]
    exemplar: tuple[int, int]
    pictures: int
    share: float

    @property
    def repeats(self) -> bool:
        often = self.pictures >= REPEATS_FROM and self.share >= REPEATS_SHARE
        return often or self.pictures >= REPEATS_ANYHOW


def people_in(faces_by_picture: Sequence[Sequence[Face]], *, radius: float = MATCH) -> tuple[Person, ...]:
    """Who is in at least `REPEATS_FROM` pictures, the most frequent first.

    Each group is a star: the face with the most pictures within `radius` of it, and those faces. Taken out, the next
    group follows. Unlike linking neighbours of neighbours it joins no two people over a chain of faces between them.
    """
    places = _places(faces_by_picture)
    if not places:
        return ()
    descriptors = np.stack([faces_by_picture[picture][face].descriptor for picture, face in places])
    near = _near(descriptors, radius)
    starts = [n for n, (picture, _) in enumerate(places) if n == 0 or picture != places[n - 1][0]]
    found: list[Person] = []
    while True:
        counts = np.logical_or.reduceat(near, starts, axis=1).sum(axis=1)
        centre = int(counts.argmax())
        if counts[centre] < REPEATS_FROM:
            return tuple(found)
        members = np.flatnonzero(near[centre])
        count = int(counts[centre])
        among = tuple(places[n] for n in members)
        found.append(Person(among, places[centre], count, count / len(starts)))
        near[members, :] = False
        near[:, members] = False


def _places(faces_by_picture: Sequence[Sequence[Face]]) -> list[tuple[int, int]]:
    """Where the faces to compare are, in the order of the pictures."""
    shown = [picture for picture, faces in enumerate(faces_by_picture) if faces]
    counts = [min(len(faces_by_picture[picture]), FACES_OF_A_PICTURE) for picture in shown]
    every = -(-sum(counts) // FACES_AT_ONCE)
    taken = shown[:: max(every, 1)]
    return [(picture, face) for picture in taken for face in _largest(faces_by_picture[picture])]


def _largest(faces: Sequence[Face]) -> list[int]:
    by_size = sorted(range(len(faces)), key=lambda n: -faces[n].size)
    return sorted(by_size[:FACES_OF_A_PICTURE])


def _near(descriptors: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Which are within the radius of which, (n, n)."""
    near = np.empty((len(descriptors), len(descriptors)), dtype=np.bool_)
    for first in range(0, len(descriptors), BLOCK):
        rows = descriptors[first : first + BLOCK]
        near[first : first + BLOCK] = distances(rows, descriptors) <= radius
    return near


def distances(ones: NDArray[np.float32], others: NDArray[np.float32]) -> Numbers:
    """Euclidean distances (m, n) of rows to rows, in double precision: exact to about 1e-7."""
    a, b = ones.astype(np.float64), others.astype(np.float64)
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
    far: Numbers = np.sqrt(np.maximum(squares, 0.0))
    return far


class FaceIndex:
    """Known faces, searched exactly: every probe is compared with every one of them."""

    def __init__(self, descriptors: Sequence[Descriptor] | NDArray[np.float32]) -> None:
        self._known = np.asarray(descriptors, dtype=np.float32)
        if len(self._known) and self._known.ndim != 2:
            raise ValueError(f"Descriptors come as rows of a table, not in the shape {self._known.shape}.")

    def __len__(self) -> int:
        return len(self._known)

    def nearest(self, probes: Sequence[Descriptor] | NDArray[np.float32]) -> list[tuple[int, float]]:
        """For each probe the place of the nearest known face and its distance; (-1, inf) where none is known."""
        return [(found[0] if (found := hits) else (-1, float("inf"))) for hits in self._ranked(probes, None)]

    def within(
        self, probes: Sequence[Descriptor] | NDArray[np.float32], radius: float
    ) -> list[list[tuple[int, float]]]:
        """For each probe all known faces up to `radius` away, the nearest first: (place, distance)."""
        return self._ranked(probes, radius)

    def _ranked(
        self, probes: Sequence[Descriptor] | NDArray[np.float32], radius: float | None
    ) -> list[list[tuple[int, float]]]:
        asked = np.asarray(probes, dtype=np.float32)
        if not len(asked) or not len(self._known):
            return [[] for _ in asked]
        found: list[list[tuple[int, float]]] = []
        for first in range(0, len(asked), BLOCK):
            for row in distances(asked[first : first + BLOCK], self._known):
                places = [int(row.argmin())] if radius is None else np.flatnonzero(row <= radius).tolist()
                found.append(sorted(((n, float(row[n])) for n in places), key=lambda hit: hit[1]))
        return found


def nearest(
    descriptors: Sequence[Descriptor] | NDArray[np.float32], probes: Sequence[Descriptor] | NDArray[np.float32]
) -> list[tuple[int, float]]:
    """For each probe the place of the nearest of the descriptors and its distance."""
    return FaceIndex(descriptors).nearest(probes)
