"""The views that are hashed: crop windows of a registered work, orientations of a picture asked about."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Level = TypeVar("Level", bound=np.generic)
Window = tuple[float, float, float, float]  # left, top, right, bottom as fractions of the width and height


def _centred(share: float) -> Window:
    """The window that is left when `share` is cut off each side."""
    return share, share, 1 - share, 1 - share


WINDOWS: tuple[Window, ...] = (
    (0.0, 0.0, 1.0, 1.0),
    _centred(0.05),
    _centred(0.10),
    _centred(0.15),
    _centred(0.20),
)


def box(window: Window, width: int, height: int) -> tuple[float, float, float, float]:
    """The window in pixels, for Pillow's `resize(box=…)`."""
    left, top, right, bottom = window
    return left * width, top * height, right * width, bottom * height


def orientations(square: NDArray[Level]) -> NDArray[Level]:
    """The eight turns and mirrorings [8, n, n, …] of a square raster [n, n, …], the identity first."""
    turns = [np.rot90(square, quarter) for quarter in range(4)]
    return np.stack([*turns, *(np.fliplr(turn) for turn in turns)])
