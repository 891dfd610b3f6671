"""Which registered works a picture may show: near hashes and shared details together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moderation.matching.pictures.description import Description, Query
from moderation.matching.pictures.hashes import PHASH_BYTES, Hashes
from moderation.matching.pictures.index import HashIndex
from moderation.matching.pictures.words import FILED, Asked, Filing, WordIndex

RADIUS = 9  # bits of 64 within which a pHash makes a candidate
VOTES = 3  # features that make a candidate
MOST = 25  # candidates verified, the likeliest first


@dataclass(frozen=True)
class Candidate:
    """A work to verify: the smallest pHash distance (None beyond RADIUS) and the features that look alike."""

    owner: int
    distance: int | None
    votes: int


@dataclass
class PictureIndex:
    """The register's works by pHash and by visual words."""

    hashes: HashIndex
    words: WordIndex

    @classmethod
    def build(cls, works: Iterable[tuple[int, Description]]) -> PictureIndex:
        """Index works by their owner ids. Reads the iterable once and keeps about 2 kB of each."""
        hashes, hash_owners, filings, filing_owners = [np.zeros((0, PHASH_BYTES), np.uint8)], [], [], []
        for owner, work in works:
            hashes.append(work.phashes)
            hash_owners.append(np.full(len(work.phashes), owner, np.int64))
            filings.append(Filing.of(work.features.first(FILED)))
            filing_owners.append(np.full(len(filings[-1].words), owner, np.int64))
        none = np.zeros(0, np.int64)
        return cls(
            HashIndex.build(np.concatenate(hashes), np.concatenate([none, *hash_owners])),
            WordIndex.build(
                np.concatenate([none.astype(np.uint32), *(filing.words for filing in filings)]),
                np.concatenate([none.astype(np.uint64), *(filing.signatures for filing in filings)]),
                np.concatenate([none, *filing_owners]),
            ),
        )

    def add(self, owner: int, work: Description) -> None:
        """Take in one more work without rebuilding."""
        self.hashes.add(work.phashes, np.full(len(work.phashes), owner, np.int64))
        self.words.add(work.features, owner)

    def candidates(self, query: Query, most: int = MOST) -> list[Candidate]:
        """The works to verify for a picture, the likeliest first and no more than `most`."""
        return self.candidates_of(query.phashes, (Asked.of(query.features), Asked.of(query.mirror)))[:most]

    def candidates_of(self, phashes: Hashes, asked: Iterable[Asked]) -> list[Candidate]:
        """All works to verify, the likeliest first, for the hashes of a picture and its features in each mirroring."""
        near = self.hashes.search(phashes, RADIUS).nearest()
        votes: dict[int, int] = {}
        for features in asked:
            for owner, count in self.words.votes_of(features).items():
                votes[owner] = max(votes.get(owner, 0), count)
        owners = near.keys() | {owner for owner, count in votes.items() if count >= VOTES}
        found = [Candidate(owner, near.get(owner), votes.get(owner, 0)) for owner in owners]
        return sorted(found, key=_likeliest_first)

    def save(self, folder: Path) -> None:
        """Write both indexes into a new folder."""
        self.hashes.save(folder / "hashes")
        self.words.save(folder / "words")

    @classmethod
    def load(cls, folder: Path) -> PictureIndex:
        """Map a saved index into memory."""
        return cls(HashIndex.load(folder / "hashes"), WordIndex.load(folder / "words"))


def _likeliest_first(candidate: Candidate) -> tuple[float, int]:
    """Near hashes count like votes: a distance of 0 like 30, of RADIUS like 3."""
    near = 0 if candidate.distance is None else 3 * (RADIUS + 1 - candidate.distance)
    return -max(near, candidate.votes), candidate.owner
