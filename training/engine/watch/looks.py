"""A picture as a few numbers that hold its colours and its texture, whatever it shows and wherever.

Two pictures of one style lie near each other though their motifs differ, which pixels would not tell. The numbers have
fixed scales: nothing is fitted, so a picture's look never depends on the other pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256  # pixels that texture is looked at with, at most
SMALL = 64  # pixels that colours are counted in
CELLS = 8  # of the layout, both ways
BINS = 4  # of each colour channel
OCTAVES, ORIENTATIONS = 3, 4
SOFT = 4.0  # grey levels a pixel; gradients below it are noise and the encoder's blocks
FLAT = 1.0  # standard deviation of grey levels, below which a picture shows nothing

Vector = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Look:
    """`manner`: colours and texture [76], by which styles differ. `layout`: what is where [192]. `flat`: one tone."""

    manner: Vector
    layout: Vector
    flat: bool


def look(path: Path) -> Look:
    """The look of a picture file. Raises OSError for a file that is no picture."""
    status = path.stat()
    return _look(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _look(path: Path, _changed: int, _size: int) -> Look:
    with Image.open(path) as file:
        return look_of(file.convert("RGB"))


def look_of(picture: Image.Image) -> Look:
    """The look of an RGB picture."""
    small = np.asarray(picture.convert("YCbCr").resize((SMALL, SMALL), Image.Resampling.BOX), np.float64)
    layout = np.asarray(picture.resize((CELLS, CELLS), Image.Resampling.BOX), np.float64) / 255
    manner = np.concatenate([_colours(small), _texture(picture)])
    return Look(manner, layout.reshape(-1) / CELLS, bool(small[..., 0].std() < FLAT))


def _colours(pixels: Vector) -> Vector:
    """Shares of the picture in 4 × 4 × 4 soft bins of brightness and chroma [64], square roots, of length 1.

    Square roots make the Euclidean distance that of Hellinger, in which small shares count too. Chroma fills the middle
    of its range only, so that it is stretched twofold.
    """
    scaled = np.stack([pixels[..., 0] / 255, *((pixels[..., channel] - 128) / 128 + 0.5 for channel in (1, 2))])
    place = np.clip(scaled, 0, 1).reshape(3, -1) * (BINS - 1)
    low = np.minimum(place.astype(np.intp), BINS - 2)
    share = place - low
    counted = np.zeros(BINS**3)
    for corner in np.ndindex(2, 2, 2):
        offset = np.array(corner)[:, None]
        weight = np.where(offset == 1, share, 1 - share).prod(axis=0)
        red, green, blue = low + offset
        np.add.at(counted, (red * BINS + green) * BINS + blue, weight)
    shares: Vector = np.sqrt(counted / counted.sum())
    return shares


def _texture(picture: Image.Image) -> Vector:
    """How much edge of which direction there is at three scales [12], as logarithms; about 0 to 1."""
    grey = picture.convert("L")
    side = max(16, min(SIDE, *grey.size))
    found = []
    for octave in range(OCTAVES):
        level = max(8, side >> octave)
        pixels = np.asarray(grey.resize((level, level), Image.Resampling.BOX), np.float64)
        found.append(_edges(pixels))
    return np.concatenate(found)


def _edges(pixels: Vector) -> Vector:
    down, right = np.gradient(pixels)
    strength = np.hypot(down, right)
    turn = np.mod(np.arctan2(down, right), np.pi) / np.pi * ORIENTATIONS
    bins = np.minimum(turn.astype(np.intp), ORIENTATIONS - 1)
    energy = np.bincount(bins.reshape(-1), weights=strength.reshape(-1), minlength=ORIENTATIONS) / strength.size
    found: Vector = np.log1p(energy / SOFT) / 2
    return found
