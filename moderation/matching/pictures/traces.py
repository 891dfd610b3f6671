"""What is kept of a picture that was looked at, so that works which come later are found in it without reading it.

The register asks "which works does this picture show?"; a look back asks "which pictures show these new works?", with
the same hashes, words and verification, so that it finds what the register would have found. Half of the features are
kept. Where some of them fit, the picture itself is read: all of its features are looked at then, and its raster tells
whether they agree by chance.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from moderation.matching.pictures.candidates import PictureIndex
from moderation.matching.pictures.description import ASKED as EXAMINED
from moderation.matching.pictures.description import Description, DescriptionInvalid, Query
from moderation.matching.pictures.hashes import PDQ_BYTES, PHASH_BYTES, Hashes
from moderation.matching.pictures.index import SMALL, HashIndex
from moderation.matching.pictures.keypoints import find
from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.verify import DEFAULT, Thresholds, verify
from moderation.matching.pictures.views import orientations
from moderation.matching.pictures.words import ASKED, Asked

ORIENTATIONS = 8
HASHED = ORIENTATIONS * (PHASH_BYTES + PDQ_BYTES)  # bytes
BLOCK_NEAR = 24  # bits of 64 within which a blocked picture is compared, whatever its features; as `selectors.blocks`


@dataclass(frozen=True)
class Trace:
    """A picture that was looked at, as bytes in two parts, of which most comparisons need the first alone.

    hashes: pHash and PDQ of its eight orientations, 320 bytes. described: thumbnail and the features that the index
    asks for, compressed, at most some 32 kB. Both empty for a picture with nothing in it to recognise.
    """

    hashes: bytes = b""
    described: bytes = b""

    @classmethod
    def of(cls, query: Query) -> Trace:
        """The trace of a picture that was examined."""
        kept = Description(query.size, query.phashes[:0], query.pdqs[:0], query.thumbs[0], query.features.first(ASKED))
        return cls(query.phashes.tobytes() + query.pdqs.tobytes(), _packed(kept.to_bytes()))

    def query(self, read: Callable[[], Grey]) -> Query:
        """What was examined, with half of its features, and `read` in place of the raster.

        Raises DescriptionInvalid for damaged bytes.
        """
        kept = Description.from_bytes(_unpacked(self.described), hashed=0)
        phashes, pdqs = split([self.hashes])
        return Query(kept.size, phashes, pdqs, orientations(kept.thumb), kept.features, read)


def _packed(stored: bytes) -> bytes:
    """Descriptors have no repetitions, only frequent values: three quarters of their bytes remain."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    return packer.compress(stored) + packer.flush()


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error as problem:
        raise DescriptionInvalid("The kept picture description is damaged; describe the picture again.") from problem


@dataclass
class NewWorks:
    """Works that came newly, by owner, to be looked for in many pictures.

    described: works with features. blocked: removed pictures, which are also compared where the whole picture's hash
    comes within BLOCK_NEAR. listed: bare hashes [n, 8 or 32] by algorithm, at their strict thresholds.
    """

    described: Mapping[int, Description] = field(default_factory=dict)
    blocked: Mapping[int, Description] = field(default_factory=dict)
    phashes: Hashes = field(default_factory=lambda: np.zeros((0, PHASH_BYTES), np.uint8))
    pdqs: Hashes = field(default_factory=lambda: np.zeros((0, PDQ_BYTES), np.uint8))
    thresholds: Thresholds = DEFAULT

    def __post_init__(self) -> None:
        owners = [("work", owner) for owner in self.described] + [("block", owner) for owner in self.blocked]
        self._works = [*self.described.values(), *self.blocked.values()]
        self._index = PictureIndex.build(enumerate(self._works))
        self._blocked = [place for place, (kind, _) in enumerate(owners) if kind == "block"]
        self._listed = {"phash": _ready(self.phashes), "pdq": _ready(self.pdqs)}

    @property
    def needs_features(self) -> bool:
        """Whether more than the hashes of a picture is looked at."""
        return bool(self._works)

    def listed_in(self, hashes: Sequence[bytes]) -> set[int]:
        """Which of these pictures (their `Trace.hashes`) a bare hash is near enough to, by their places."""
        places = np.array([place for place, stored in enumerate(hashes) if stored], np.intp)
        if not len(places):
            return set()
        phashes, pdqs = split([hashes[place] for place in places])
        near = [
            _near(self._listed["phash"], phashes, self.thresholds.phash),
            _near(self._listed["pdq"], pdqs, self.thresholds.pdq),
        ]
        return set(places[np.unique(np.concatenate(near))].tolist())

    def shown_in(self, trace: Trace, read: Callable[[], Grey]) -> bool:
        """Whether a picture shows one of the works with features; `read` gives its grey raster where it comes to that.

        Raises what `read` raises and DescriptionInvalid: what was not compared is not without a match.
        """
        if not trace.hashes or not self._works:
            return False
        query = trace.query(read)
        whole: Query | None = None
        for place in self._candidates(query):
            verdict = verify(self._works[place], query, self.thresholds)
            if not verdict.matched and verdict.inliers:  # what fits so far may fit further with the other features
                whole = whole or replace(query, features=find(query.raster, EXAMINED))
                verdict = verify(self._works[place], whole, self.thresholds)
            if verdict.matched:
                return True
        return False

    def _candidates(self, query: Query) -> list[int]:
        asked = (Asked.of(query.features), Asked.of(query.mirror))
        likely = [candidate.owner for candidate in self._index.candidates_of(query.phashes, asked)]
        return list(dict.fromkeys([*likely, *self._near_blocks(query.phashes)]))

    def _near_blocks(self, phashes: Hashes) -> Iterator[int]:
        for place in self._blocked:
            apart = np.bitwise_count(self._works[place].phashes[:, None, :] ^ phashes[None, :, :]).sum(axis=2)
            if int(apart.min()) <= BLOCK_NEAR:
                yield place


def split(hashes: Sequence[bytes]) -> tuple[Hashes, Hashes]:
    """pHash [8 n, 8] and PDQ [8 n, 32] of n pictures; raises DescriptionInvalid for bytes of another length."""
    if any(len(stored) != HASHED for stored in hashes):
        raise DescriptionInvalid(f"The hashes of a picture are {HASHED} bytes; describe the picture again.")
    rows = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), HASHED)
    border = ORIENTATIONS * PHASH_BYTES
    return rows[:, :border].reshape(-1, PHASH_BYTES), rows[:, border:].reshape(-1, PDQ_BYTES)


def _ready(hashes: Hashes) -> HashIndex | Hashes:
    """Many hashes are indexed once; few are looked for one by one among those of the pictures."""
    return HashIndex.build(hashes, np.arange(len(hashes), dtype=np.int64)) if len(hashes) >= SMALL else hashes


def _near(listed: HashIndex | Hashes, seen: Hashes, radius: int) -> NDArray[np.intp]:
    """The pictures, eight rows of `seen` each, within the radius of one of the hashes."""
    if isinstance(listed, HashIndex):
        return np.unique(listed.search(seen, radius).queries // ORIENTATIONS).astype(np.intp)
    index = HashIndex.build(seen, np.arange(len(seen), dtype=np.int64) // ORIENTATIONS)
    return np.unique(index.search(listed, radius).owners).astype(np.intp)
