"""Exact search among millions of fingerprints: all that are more similar than a threshold, without missing one.

The vectors are scanned as signed bytes, whose error is bounded, and what may reach the threshold is compared in half
precision. faiss (MIT) does the scanning and is imported on first use, since it is large.
"""

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from moderation.matching.fingerprints.errors import FingerprintError
from moderation.matching.fingerprints.fingerprint import LENGTH, Fingerprint
from moderation.matching.fingerprints.sketch import VERSION

STEP = 1 / 300  # of a coordinate; ±127 steps reach ±0.42, six standard deviations of a rotated unit vector
MOST_ALIKE = 65_536
GONE = -1  # the id of a removed entry
_HALF = 1e-3  # error of a cosine in half precision, generously


class Neighbour(NamedTuple):
    """An entry found, and its cosine with the query."""

    id: int
    similarity: float


class FingerprintIndex:
    """Fingerprints by id, 770 bytes each in memory; adding needs no rebuilding. Safe to use from several threads."""

    def __init__(self, entries: Iterable[tuple[int, Fingerprint]] = ()) -> None:
        import faiss  # 60 MB of libraries, which the web process does without

        self._scan: Any = faiss.IndexScalarQuantizer(
            LENGTH, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        # One query is scanned by one thread; the others would only spin, for longer than the search takes.
        self._threads = ThreadpoolController()
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, LENGTH), np.float16)
        self._count = 0
        self._removed = 0
        self._error = 0.0
        self._lock = threading.Lock()
        self.add_many(entries)

    def __len__(self) -> int:
        return self._count - self._removed

    def add(self, entry_id: int, found: Fingerprint) -> None:
        """Add one; raises FingerprintError for another version of fingerprint than this index holds."""
        self.add_many([(entry_id, found)])

    def add_many(self, entries: Iterable[tuple[int, Fingerprint]]) -> None:
        """Add several at once, which is faster."""
        listed = list(entries)
        for _, found in listed:
            _check(found)
        if listed:
            ids = np.array([entry_id for entry_id, _ in listed], np.int64)
            self.add_vectors(ids, np.stack([found.vector for _, found in listed]))

    def add_vectors(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add unit vectors [n, LENGTH] of this version under their ids [n]."""
        steps, error = _rounded(vectors)
        with self._lock:
            self._grow(self._count + len(ids))
            end = self._count + len(ids)
            self._ids[self._count : end] = ids
            self._vectors[self._count : end] = vectors
            self._error = max(self._error, error)
            self._scan.add(steps)
            self._count = end

    def remove(self, entry_id: int) -> None:
        """Remove every fingerprint of this id; its place is used up."""
        with self._lock:
            rows = np.flatnonzero(self._ids[: self._count] == entry_id)
            self._vectors[rows] = 0
            self._ids[rows] = GONE
            self._removed += len(rows)

    def _grow(self, count: int) -> None:
        if count > len(self._ids):
            more = max(count, len(self._ids) * 5 // 4) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(more, np.int64)])
            self._vectors = np.concatenate([self._vectors, np.zeros((more, LENGTH), np.float16)])

    def search(self, query: Fingerprint, *, minimum: float, most: int = 50) -> list[Neighbour]:
        """The entries whose cosine with the query is at least `minimum`, the most similar first, at most `most`.

        Of more than MOST_ALIKE entries that are equally similar, any may be given.
        """
        _check(query)
        with self._lock:
            if not self._count:
                return []
            found = self._candidates(query.vector, minimum, most)
            similar = self._vectors[found].astype(np.float32) @ query.vector
            ids = self._ids[found]
        order = np.argsort(-similar, kind="stable")
        kept = [n for n in order if similar[n] >= minimum and ids[n] != GONE]
        return [Neighbour(int(ids[n]), float(similar[n])) for n in kept[:most]]

    def _candidates(self, query: NDArray[np.float32], minimum: float, most: int) -> NDArray[np.int64]:
        """The rows whose scanned product leaves it open whether they belong to the answer.

        For unit vectors, |⟨q, v⟩ − ⟨q′, v′⟩| ≤ ‖q − q′‖ + (1 + ‖q − q′‖)·‖v − v′‖, where ′ is rounded to whole steps:
        what lies lower than that below `minimum`, or twice as far below the last of the best `most`, cannot belong.
        faiss is faster at the best `count` than at "all above", so that is raised as needed.
        """
        steps, rounding = _rounded(query[None])
        error = rounding + (1 + rounding) * self._error + _HALF
        count = 2 * most + self._removed
        while True:
            count = min(count, self._count)
            with self._threads.limit(limits=1):
                products, rows = self._scan.search(steps, count)
            cosines = products[0] * STEP**2
            best = cosines[min(most + self._removed, count) - 1]
            bound = max(minimum - error, best - 2 * error) if count > most + self._removed else minimum - error
            if count == self._count or cosines[-1] < bound or count >= MOST_ALIKE:
                reached: NDArray[np.int64] = rows[0][cosines >= bound]
                return reached
            count *= 8


def _rounded(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Unit vectors in whole steps, and the largest distance from the rounded vector to its own."""
    steps = np.clip(np.round(vectors / STEP), -128, 127).astype(np.float32)
    return steps, float(np.linalg.norm(vectors - steps * STEP, axis=1).max(initial=0.0))


def _check(found: Fingerprint) -> None:
    if found.version != VERSION:
        raise FingerprintError(
            f"The fingerprint is of version {found.version}, the index of {VERSION}. Make it again from the file."
        )
