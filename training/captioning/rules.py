"""Captions for the tiny base, by rules: what a picture of coloured shapes shows, in the words it was trained with.

A picture is brought to the tiny base's 64 × 64 pixels. Its ground is the median colour of the edge, what lies on it is
split into connected parts, and each part is named by its colour, best-fitting shape, size and place.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.tinybase.judge import (
    Mask,
    Picture,
    best_shape,
    border_colour,
    distance_to,
    nearest_colour,
    thing_mask,
)
from training.tinybase.scenes import POSITIONS, SIZE, SIZES

LEAST_PART = 0.008  # of the picture's area; smaller specks are no thing
MOST_THINGS = 3
FITS = 0.55  # IoU with a shape from which it is named; below it is "shape"


class RuleCaptioner:
    """Names ground, colours, shapes, sizes and places."""

    def caption(self, picture: Image.Image) -> str:
        small = picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
        pixels: Picture = np.asarray(small, dtype=np.uint8)
        ground = nearest_colour(border_colour(pixels))
        parts = [part for part in connected(thing_mask(pixels)) if part.mean() >= LEAST_PART]
        parts.sort(key=lambda part: -int(part.sum()))
        things = [_named(pixels, part, alone=len(parts) == 1) for part in parts[:MOST_THINGS]]
        where = f"on a {ground} background"
        return f"{' and '.join(things)} {where}" if things else f"a plain {ground} background"


def load(location: str, *, device: str) -> RuleCaptioner:
    """There is nothing to load."""
    return RuleCaptioner()


def _named(pixels: Picture, part: Mask, *, alone: bool) -> str:
    distance = distance_to(pixels, border_colour(pixels))
    core = part & (distance >= np.percentile(distance[part], 30))
    colour = nearest_colour(np.median(pixels[core].astype(np.float32), axis=0).astype(np.float32))
    shape, overlap = best_shape(part)
    words = ["a", _size(part) if alone else "", colour, shape if overlap >= FITS else "shape", _place(part)]
    return " ".join(word for word in words if word)


def _size(part: Mask) -> str:
    """The word for a thing of this reach: half the longer side of its box, against the radii of the training scenes."""
    rows, columns = np.nonzero(part)
    reach = max(int(np.ptp(rows)), int(np.ptp(columns))) / 2
    return min(SIZES, key=lambda word: abs(SIZES[word] - reach))


def _place(part: Mask) -> str:
    rows, columns = np.nonzero(part)
    x, y = (columns.min() + columns.max() + 1) / 2 / SIZE, (rows.min() + rows.max() + 1) / 2 / SIZE
    return min(POSITIONS, key=lambda name: float(np.hypot(POSITIONS[name][0] - x, POSITIONS[name][1] - y)))


def connected(mask: Mask) -> list[Mask]:
    """The parts of a mask (64, 64) whose pixels touch by a side or a corner."""
    labels: NDArray[np.int64] = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        around = np.max(
            [padded[1 + dy : 1 + dy + SIZE, 1 + dx : 1 + dx + SIZE] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0
        )
        spread = np.where(mask, around, 0)
        if np.array_equal(spread, labels):
            return [labels == label for label in np.unique(labels[labels > 0])]
        labels = spread
