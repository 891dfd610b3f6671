"""Exact Hamming-range search over millions of hashes, by multi-index hashing.

A hash of b bits is cut into b/16 parts. Two hashes within distance r agree, in at least one part, up to a distance that
follows from r (pigeonhole), so looking up the near values of each part finds every one. Source: Norouzi, Punjani and
Fleet, Fast exact search in Hamming space with multi-index hashing, 2014. Ranges that would ask for too many values are
answered by comparing with all hashes; the answer is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.matching.pictures.buckets import Buckets, IndexInvalid, mapped_array

_PART = 16  # bits
FLIPS = 2  # bits flipped in a part at most; three would ask for 697 of its 65,536 values
SMALL = 20_000  # hashes below which comparing with all is as fast
_BLOCK = 1 << 20  # hashes compared at a time
Hashes = NDArray[np.uint8]


def _masks(flips: int) -> NDArray[np.uint16]:
    """All 16-bit values with at most `flips` bits set."""
    chosen = [bits for count in range(flips + 1) for bits in combinations(range(16), count)]
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.uint16)


_MASKS = [_masks(flips) for flips in range(FLIPS + 1)]


@dataclass(frozen=True)
class Hits:
    """Found hashes: which query [n], whose hash [n], at what distance [n]. In order of query, distance and owner."""

    queries: NDArray[np.intp]
    owners: NDArray[np.int64]
    distances: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.queries)

    def nearest(self) -> dict[int, int]:
        """The smallest distance of each owner over all queries."""
        order = np.lexsort((self.distances, self.owners))
        owners, first = np.unique(self.owners[order], return_index=True)
        return dict(zip(owners.tolist(), self.distances[order][first].tolist(), strict=True))


@dataclass(frozen=True)
class Segment:
    """Hashes as words, uint64 [n, bytes / 8], their owners [n], and one table per 16-bit part."""

    words: NDArray[np.uint64]
    owners: NDArray[np.int64]
    tables: tuple[Buckets, ...]

    @classmethod
    def of(cls, hashes: Hashes, owners: NDArray[np.int64]) -> Segment:
        hashes = np.ascontiguousarray(hashes)
        parts = hashes.view(np.uint16)
        return cls(hashes.view(np.uint64), owners, tuple(Buckets.of(part, _PART) for part in parts.T))

    def search(self, queries: Hashes, radius: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Query, row and distance of every hash within the radius."""
        flips, spare = divmod(radius, len(self.tables))
        if flips > FLIPS or len(self.words) < SMALL:
            return self._scan(queries, radius)
        return self._probe(queries, radius, flips, spare)

    def _probe(
        self, queries: Hashes, radius: int, flips: int, spare: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Were every part further off than its allowance, the sum would exceed the radius: so one of them is not."""
        words, parts = queries.view(np.uint64), queries.view(np.uint16)
        found = []
        for number, table in enumerate(self.tables):
            allowance = flips if number <= spare else flips - 1
            if allowance < 0:
                break
            masks = _MASKS[allowance]
            probes, rows = table.rows((parts[:, number, None] ^ masks).reshape(-1))
            asked = probes // len(masks)
            distance = _distance(self.words[rows], words[asked])
            near = distance <= radius
            found.append(np.stack([asked[near], rows[near].astype(np.intp), distance[near]]))
        asked, rows, distance = np.concatenate(found, axis=1)
        _, once = np.unique(asked * len(self.words) + rows, return_index=True)
        return asked[once], rows[once], distance[once]

    def _scan(self, queries: Hashes, radius: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        found = [np.zeros((3, 0), np.intp)]
        for number, query in enumerate(queries.view(np.uint64)):
            for start in range(0, len(self.words), _BLOCK):
                distance = _distance(self.words[start : start + _BLOCK], query)
                rows = np.flatnonzero(distance <= radius)
                found.append(np.stack([np.full(len(rows), number), rows + start, distance[rows]]))
        asked, rows, distance = np.concatenate(found, axis=1)
        return asked, rows, distance


@dataclass
class HashIndex:
    """Hashes of one width (8 or 32 bytes) with their owners, of which one may have many.

    Later additions are a second segment.
    """

    width: int
    segments: list[Segment] = field(default_factory=list)

    @classmethod
    def build(cls, hashes: Hashes, owners: NDArray[np.int64]) -> HashIndex:
        """Index hashes uint8 [n, 8 or 32] of the given owners [n]. Raises IndexInvalid for arrays of another shape."""
        _check(hashes, owners)
        return cls(hashes.shape[1], [Segment.of(hashes, owners)])

    def __len__(self) -> int:
        return sum(len(segment.owners) for segment in self.segments)

    def add(self, hashes: Hashes, owners: NDArray[np.int64]) -> None:
        """Take in more without rebuilding: costs by the number of additions since the index was built."""
        _check(hashes, owners, self.width)
        if len(self.segments) > 1:
            later = self.segments.pop()
            hashes = np.concatenate([later.words.view(np.uint8), hashes])
            owners = np.concatenate([later.owners, owners])
        self.segments.append(Segment.of(hashes, owners))

    def search(self, queries: Hashes, radius: int) -> Hits:
        """Every hash within `radius` of a query, uint8 [q, width]; exact, whatever the index."""
        _check(queries, np.zeros(len(queries), np.int64), self.width)
        if not 0 <= radius <= 8 * self.width:
            raise ValueError(f"A radius of {radius} for hashes of {8 * self.width} bits.")
        queries = np.ascontiguousarray(queries)
        parts = []
        for segment in self.segments:
            asked, rows, distance = segment.search(queries, radius)
            parts.append(np.stack([asked, segment.owners[rows], distance]))
        asked, owners, distance = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
        order = np.lexsort((owners, distance, asked))
        return Hits(asked[order], owners[order], distance[order])

    def save(self, folder: Path) -> None:
        """Write the index, additions included, into a new folder; `load` maps it into memory."""
        words = np.concatenate([segment.words for segment in self.segments])
        whole = Segment.of(words.view(np.uint8), np.concatenate([segment.owners for segment in self.segments]))
        folder.mkdir(parents=True)
        np.save(folder / "words.npy", whole.words)
        np.save(folder / "owners.npy", whole.owners)
        for number, table in enumerate(whole.tables):
            table.save(folder, f"part{number}")

    @classmethod
    def load(cls, folder: Path) -> HashIndex:
        """Map a saved index into memory: processes share its pages. Raises IndexInvalid for files that do not fit."""
        words = mapped_array(folder / "words.npy")
        owners = mapped_array(folder / "owners.npy")
        if words.ndim != 2 or words.dtype != np.uint64 or owners.shape != words.shape[:1] or owners.dtype != np.int64:
            raise IndexInvalid(f"The index in {folder} is damaged; build it again.")
        width = 8 * words.shape[1]
        tables = tuple(Buckets.load(folder, f"part{number}") for number in range(width // 2))
        if not all(table.fits(len(words), _PART) for table in tables):
            raise IndexInvalid(f"The index in {folder} is damaged; build it again.")
        return cls(width, [Segment(words, owners, tables)])


def _distance(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.intp]:
    if left.shape[-1] == 1:  # seven times as fast as a sum of one
        single: NDArray[np.intp] = np.bitwise_count(left[:, 0] ^ right[..., 0]).astype(np.intp)
        return single
    total: NDArray[np.intp] = np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.intp)
    return total


def _check(hashes: Hashes, owners: NDArray[np.int64], width: int | None = None) -> None:
    if hashes.dtype != np.uint8 or hashes.ndim != 2 or hashes.shape[1] not in (8, 32):
        raise IndexInvalid(f"Hashes are uint8 [n, 8] or [n, 32]; these are {hashes.dtype} {list(hashes.shape)}.")
    if width is not None and hashes.shape[1] != width:
        raise IndexInvalid(f"Hashes of {hashes.shape[1]} bytes for an index of {width}.")
    if owners.dtype != np.int64 or owners.shape != hashes.shape[:1]:
        raise IndexInvalid(f"{len(hashes)} hashes need as many int64 owners, not {owners.dtype} {list(owners.shape)}.")
