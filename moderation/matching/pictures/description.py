"""What the register keeps of a work, and what is worked out for a picture that is asked about."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from moderation.matching.pictures.hashes import PDQ_BYTES, PHASH_BYTES, Hashes, orientation_hashes, window_hashes
from moderation.matching.pictures.keypoints import CODE, Features, find
from moderation.matching.pictures.overlay import SIDE as THUMB
from moderation.matching.pictures.overlay import thumbnail
from moderation.matching.pictures.raster import Grey, grey, upright
from moderation.matching.pictures.views import WINDOWS, orientations

if TYPE_CHECKING:
    from PIL import Image

REGISTERED, ASKED = 500, 1000  # features kept of a registered work, looked at in a picture asked about
VERSION = 1
MAGIC = b"PICT"
_HEAD = struct.Struct("<4sBBHHHII")  # magic, version, windows, features, raster width, height, picture width, height
_FEATURE = 4 + 1 + 1 + CODE


class DescriptionInvalid(ValueError):
    """Stored bytes that are no description of this version. The message names what is wrong."""


@dataclass(frozen=True)
class Description:
    """A registered work: its size in pixels, pHash [w, 8] and PDQ [w, 32] of its crop windows (`WINDOWS`), a grey
    thumbnail [64, 64] and its features. At most 39.4 kB as bytes.
    """

    size: tuple[int, int]
    phashes: Hashes
    pdqs: Hashes
    thumb: Grey
    features: Features

    def to_bytes(self) -> bytes:
        """A versioned form with a checksum; the same description always gives the same bytes."""
        parts = self.features
        head = _HEAD.pack(MAGIC, VERSION, len(self.phashes), len(parts), *parts.frame, *self.size)
        arrays = (
            self.phashes,
            self.pdqs,
            self.thumb,
            parts.places.astype("<u2"),
            parts.angles,
            parts.sizes,
            parts.codes,
        )
        body = head + b"".join(array.tobytes() for array in arrays)
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def from_bytes(cls, stored: bytes, *, hashed: int = len(WINDOWS)) -> Description:
        """Read what `to_bytes` wrote, with so many hashes of a kind; raises DescriptionInvalid for anything else."""
        if len(stored) < _HEAD.size + 4:
            raise DescriptionInvalid(f"{len(stored)} bytes are too few for a picture description.")
        magic, version, windows, count, width, height, *size = _HEAD.unpack_from(stored)
        if magic != MAGIC or version != VERSION:
            raise DescriptionInvalid("Not a picture description of this version; describe the picture again.")
        expected = _HEAD.size + windows * (PHASH_BYTES + PDQ_BYTES) + THUMB**2 + count * _FEATURE + 4
        if windows != hashed or len(stored) != expected:
            raise DescriptionInvalid(f"A picture description of {len(stored)} bytes where {expected} were announced.")
        if zlib.crc32(stored[:-4]) != struct.unpack_from("<I", stored, len(stored) - 4)[0]:
            raise DescriptionInvalid("The picture description is damaged: its checksum does not fit.")
        reader = _Reader(stored, _HEAD.size)
        phashes, pdqs = reader.take(windows, PHASH_BYTES), reader.take(windows, PDQ_BYTES)
        thumb = reader.take(THUMB, THUMB)
        places = reader.take(count, 4).view("<u2").astype(np.uint16)
        angles, sizes = reader.take(count, 1).reshape(-1), reader.take(count, 1).reshape(-1)
        features = Features((width, height), places, angles, sizes, reader.take(count, CODE))
        return cls((size[0], size[1]), phashes, pdqs, thumb, features)


@dataclass(frozen=True)
class Query:
    """A picture that is asked about: pHash [8, 8] and PDQ [8, 32] of its eight orientations, the thumbnails
    [8, 64, 64] of them, its features, and what reads its grey raster [height, width] when that is needed.
    """

    size: tuple[int, int]
    phashes: Hashes
    pdqs: Hashes
    thumbs: Grey
    features: Features
    read: Callable[[], Grey]

    @cached_property
    def raster(self) -> Grey:
        """The grey raster [height, width]; raises what reading the picture raises."""
        return self.read()

    @cached_property
    def mirror(self) -> Features:
        """The features of the mirrored picture."""
        return self.features.mirrored()


def describe(picture: Image.Image) -> Description:
    """What the register keeps of a work. Raises PictureUnusable for pictures too small or too flat to match."""
    seen = upright(picture)
    phashes, pdqs = window_hashes(seen)
    raster = grey(seen)
    return Description(seen.size, phashes, pdqs, thumbnail(raster), find(raster, REGISTERED))


def examine(picture: Image.Image) -> Query:
    """What is worked out once for a picture, to be compared with any number of works. Raises PictureUnusable."""
    seen = upright(picture)
    phashes, pdqs = orientation_hashes(seen)
    raster = grey(seen)
    return Query(seen.size, phashes, pdqs, orientations(thumbnail(raster)), find(raster, ASKED), lambda: raster)


class _Reader:
    """Rows of bytes, one block after the other."""

    def __init__(self, stored: bytes, offset: int) -> None:
        self.stored, self.offset = stored, offset

    def take(self, rows: int, width: int) -> Hashes:
        block = np.frombuffer(self.stored, np.uint8, rows * width, self.offset).reshape(rows, width)
        self.offset += rows * width
        return block
