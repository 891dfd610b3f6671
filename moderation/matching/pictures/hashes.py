"""Perceptual hashes: 64-bit pHash for finding candidates, 256-bit PDQ for deciding where nothing else can.

Hashes are rows of bytes, bits in reading order, the first bit the highest of the first byte: the hexadecimal form is
the one that imagehash and PDQ lists are exchanged in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.matching.pictures.views import WINDOWS, box, orientations

if TYPE_CHECKING:
    from moderation.matching.pictures.raster import Grey

PHASH_BYTES, PDQ_BYTES = 8, 32
_SIDE, _LOW = 32, 8  # pHash: the lowest 8 × 8 frequencies of 32 × 32 pixels
_PDQ_SIDE = 128  # pixels a window has when PDQ is asked; it looks at 64 × 64 means of it
Hashes = NDArray[np.uint8]


def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the unnormalised DCT-II of 32 samples, as scipy.fftpack.dct computes it."""
    frequency, sample = np.arange(_LOW)[:, None], np.arange(_SIDE)[None, :]
    rows: NDArray[np.float64] = 2 * np.cos(np.pi * frequency * (2 * sample + 1) / (2 * _SIDE))
    return rows


_DCT = _cosines()


def window_hashes(picture: Image.Image) -> tuple[Hashes, Hashes]:
    """pHash [windows, 8] and PDQ [windows, 32] of each crop window of an upright picture."""
    luminance = picture.convert("L")
    squares = [_square(luminance, _SIDE, box(window, *picture.size)) for window in WINDOWS]
    small = [_small(picture, box(window, *picture.size)) for window in WINDOWS]
    return phash(np.stack(squares)), np.stack([pdq(view) for view in small])


def orientation_hashes(picture: Image.Image) -> tuple[Hashes, Hashes]:
    """pHash [8, 8] and PDQ [8, 32] of an upright picture in its eight orientations, the identity first."""
    square = _square(picture.convert("L"), _SIDE, box(WINDOWS[0], *picture.size))
    small = _small(picture, box(WINDOWS[0], *picture.size))
    return phash(orientations(square)), np.stack([pdq(view) for view in orientations(small)])


def phash(squares: NDArray[np.float32]) -> Hashes:
    """The 64-bit pHash [n, 8] of rasters [n, 32, 32], bit for bit that of `imagehash.phash`."""
    low = _DCT @ squares.astype(np.float64) @ _DCT.T
    flat = low.reshape(len(squares), _LOW * _LOW)
    return np.packbits(flat > np.median(flat, axis=1, keepdims=True), axis=1)


def pdq(colour: Grey) -> Hashes:
    """The 256-bit PDQ hash [32] of an RGB raster. Source: Facebook's PDQ (2019), whose own threshold is 31.

    Orientations are hashed one by one: the library's own eight-fold hash of a mirrored picture is up to 30 bits off.
    """
    import pdqhash

    bits, _quality = pdqhash.compute(np.ascontiguousarray(colour))
    return np.packbits(np.asarray(bits, dtype=np.uint8))


def distances(left: Hashes, right: Hashes) -> NDArray[np.intp]:
    """Hamming distances [n, m] between hashes [n, bytes] and [m, bytes]."""
    differing = np.bitwise_count(left[:, None, :] ^ right[None, :, :])
    total: NDArray[np.intp] = differing.sum(axis=2, dtype=np.intp)
    return total


def _square(luminance: Image.Image, side: int, region: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.asarray(luminance.resize((side, side), Image.Resampling.LANCZOS, box=region), dtype=np.float32)


def _small(picture: Image.Image, region: tuple[float, float, float, float]) -> Grey:
    return np.asarray(picture.resize((_PDQ_SIDE, _PDQ_SIDE), Image.Resampling.BOX, box=region, reducing_gap=3.0))


def to_hex(hashes: Hashes) -> list[str]:
    """Hashes [n, bytes] in the hexadecimal form that lists are exchanged in."""
    return [bytes(row).hex() for row in hashes]


def from_hex(texts: list[str]) -> Hashes:
    """Hashes [n, 8 or 32] from their hexadecimal form; raises ValueError for any other length or sign."""
    rows = [bytes.fromhex(text) for text in texts]
    if {len(row) for row in rows} not in ({PHASH_BYTES}, {PDQ_BYTES}):
        raise ValueError("Hashes are 16 hexadecimal digits (pHash) or 64 (PDQ), all of one kind.")
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
