"""Candidates by local features: an inverted index over visual words, for the copies that no whole-picture hash reaches.

Signs of Walsh patterns over a descriptor give it a 20-bit word, under which it is filed, and a 64-bit signature, by
which it is told from others under that word (Hamming embedding, Jégou, Douze and Schmid, 2008). Arithmetic is on
integers, so every machine files a feature alike. This index finds likely works; `HashIndex` finds all within a range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.matching.pictures.buckets import Buckets, IndexInvalid, mapped_array, places_of
from moderation.matching.pictures.keypoints import Features
from moderation.matching.pictures.patterns import SIGNATURE_CUTS, SIGNATURE_PATTERNS, WORD_CUTS, WORD_PATTERNS

FILED = 200  # features of a work that are filed, the most telling first
ASKED = 500  # features of a picture that are looked up, in either mirroring
UNSURE = 4  # bits of the word nearest their threshold, looked up both ways
SAME = 14  # signatures at most this far apart speak of the same detail
CROWDED = 1000  # features under one word; such a detail is everywhere, tells nothing, and would cost the most
MOST_ROWS = 200_000  # signatures compared in one mirroring: those under the rarest words, which tell the most
_BITS = 20  # of a word
_POWERS = 1 << np.arange(_BITS)
_FLIPS = np.array(list(product((0, 1), repeat=UNSURE))).T


@dataclass(frozen=True)
class Filing:
    """The filed form of features: words uint32 [n], signatures uint64 [n], how sure each word bit is, int32 [n, 20]."""

    words: NDArray[np.uint32]
    signatures: NDArray[np.uint64]
    margins: NDArray[np.int32]

    @classmethod
    def of(cls, features: Features) -> Filing:
        levels = features.levels.astype(np.float32)  # products of small integers: exact in float32
        word = (levels @ WORD_PATTERNS).astype(np.int32) - WORD_CUTS
        signs = levels @ SIGNATURE_PATTERNS > SIGNATURE_CUTS
        words = ((word > 0) @ _POWERS).astype(np.uint32)
        return cls(words, np.packbits(signs, axis=1).view(np.uint64).reshape(-1), np.abs(word))


@dataclass(frozen=True)
class Asked:
    """The asked form of features: words uint32 [n], the places of their least sure bits, uint8 [n, UNSURE], and
    signatures uint64 [n].
    """

    words: NDArray[np.uint32]
    unsure: NDArray[np.uint8]
    signatures: NDArray[np.uint64]

    @classmethod
    def of(cls, features: Features) -> Asked:
        filing = Filing.of(features.first(ASKED))
        unsure = np.argsort(filing.margins, axis=1, kind="stable")[:, :UNSURE]
        return cls(filing.words, unsure.astype(np.uint8), filing.signatures)

    def probes(self) -> NDArray[np.uint32]:
        """The words [n, 2^UNSURE] to look up: the least sure bits of each taken both ways."""
        probes: NDArray[np.uint32] = (self.words[:, None] ^ _POWERS[self.unsure] @ _FLIPS).astype(np.uint32)
        return probes


@dataclass(frozen=True)
class _Segment:
    """Signatures [n] and owners [n] ordered by word; those of word w lie from starts[w] to starts[w + 1]."""

    signatures: NDArray[np.uint64]
    owners: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def words(self) -> NDArray[np.uint32]:
        return np.repeat(np.arange(1 << _BITS), np.diff(self.starts)).astype(np.uint32)


@dataclass
class WordIndex:
    """Filed features of many works. Later additions are a second segment, as in `HashIndex`."""

    segments: list[_Segment] = field(default_factory=list)

    @classmethod
    def build(cls, words: NDArray[np.uint32], signatures: NDArray[np.uint64], owners: NDArray[np.int64]) -> WordIndex:
        """Index filed features [n] of the given owners [n]; raises IndexInvalid for arrays of different lengths."""
        return cls([_segment(words, signatures, owners)])

    def __len__(self) -> int:
        return sum(len(segment.owners) for segment in self.segments)

    def add(self, features: Features, owner: int) -> None:
        """File a work's features; costs by the number of additions since the index was built."""
        filing = Filing.of(features.first(FILED))
        owners = np.full(len(filing.words), owner, np.int64)
        words, signatures = filing.words, filing.signatures
        if len(self.segments) > 1:
            later = self.segments.pop()
            words = np.concatenate([later.words, words])
            signatures = np.concatenate([later.signatures, signatures])
            owners = np.concatenate([later.owners, owners])
        self.segments.append(_segment(words, signatures, owners))

    def votes(self, features: Features) -> dict[int, int]:
        """For each owner, how many of the features look like one of its own. At most one vote a feature."""
        return self.votes_of(Asked.of(features))

    def votes_of(self, asked: Asked) -> dict[int, int]:
        """The same for features that were worked out before."""
        probes = asked.probes()
        votes = [self._votes(segment, asked, probes) for segment in self.segments]
        owners, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *votes]), return_counts=True)
        return dict(zip(owners.tolist(), counts.tolist(), strict=True))

    def _votes(self, segment: _Segment, features: Asked, probes: NDArray[np.uint32]) -> NDArray[np.int64]:
        keys = probes.reshape(-1)
        told = _rarest(segment.starts[keys + 1] - segment.starts[keys])
        asked, rows = places_of(segment.starts, keys[told])
        feature = told[asked] // probes.shape[1]
        near = np.flatnonzero(np.bitwise_count(segment.signatures[rows] ^ features.signatures[feature]) <= SAME)
        # Owners by their place among themselves: a pair of small numbers is one number.
        owners, places = np.unique(segment.owners[rows[near]], return_inverse=True)
        pairs = np.unique(feature[near] * max(len(owners), 1) + places)
        votes: NDArray[np.int64] = owners[pairs % max(len(owners), 1)]
        return votes

    def save(self, folder: Path) -> None:
        """Write the index, additions included, into a new folder."""
        folder.mkdir(parents=True)
        words = np.concatenate([segment.words for segment in self.segments])
        signatures = np.concatenate([segment.signatures for segment in self.segments])
        whole = _segment(words, signatures, np.concatenate([segment.owners for segment in self.segments]))
        np.save(folder / "signatures.npy", whole.signatures)
        np.save(folder / "owners.npy", whole.owners)
        np.save(folder / "starts.npy", whole.starts)

    @classmethod
    def load(cls, folder: Path) -> WordIndex:
        """Map a saved index into memory. Raises IndexInvalid for files that do not fit."""
        signatures = mapped_array(folder / "signatures.npy")
        owners = mapped_array(folder / "owners.npy")
        starts = mapped_array(folder / "starts.npy")
        if signatures.shape != owners.shape or starts.shape != ((1 << _BITS) + 1,) or starts[-1] != len(owners):
            raise IndexInvalid(f"The index in {folder} is damaged; build it again.")
        return cls([_Segment(signatures, owners, starts)])


def _rarest(counts: NDArray[np.int64]) -> NDArray[np.intp]:
    """The places of the words to look under, by how many features each has: no crowded ones, MOST_ROWS in all."""
    told = np.flatnonzero(counts <= CROWDED)
    if int(counts[told].sum()) <= MOST_ROWS:
        return told
    told = told[np.argsort(counts[told], kind="stable")]
    return told[np.cumsum(counts[told]) <= MOST_ROWS]


def _segment(words: NDArray[np.uint32], signatures: NDArray[np.uint64], owners: NDArray[np.int64]) -> _Segment:
    if not words.shape == signatures.shape == owners.shape:
        raise IndexInvalid(f"{len(words)} words, {len(signatures)} signatures and {len(owners)} owners do not fit.")
    table = Buckets.of(words, _BITS)
    return _Segment(signatures[table.order], owners[table.order], table.starts)
