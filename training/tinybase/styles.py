"""Styles the starter adapters learn: how a thing is painted when a trigger word asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.tinybase.scenes import COLOURS, SIZE, Field, Thing, fill

Canvas = NDArray[np.floating[Any]]  # (64, 64, 3)
Paint = Callable[[Canvas, Field, Thing], Canvas]


def outlined(canvas: Canvas, distance: Field, thing: Thing) -> Canvas:
    """A thick dark line around a pale inside."""
    pale = tuple(int(0.35 * value + 0.65 * 255) for value in COLOURS[thing.colour])
    canvas = fill(canvas, distance, (25, 25, 25))
    return fill(canvas, distance + 3.2, pale)  # type: ignore[arg-type]


def _grid() -> tuple[Field, Field]:
    axis = np.arange(SIZE, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def striped(canvas: Canvas, distance: Field, thing: Thing) -> Canvas:
    """The thing's colour in slanting stripes with white."""
    x, y = _grid()
    stripe = np.clip(np.sin((x + y) * 2 * np.pi / 9) * 2 + 0.5, 0, 1)[..., None]
    colour = np.asarray(COLOURS[thing.colour], np.float32)
    inside = colour * stripe + np.array([250, 250, 250], np.float32) * (1 - stripe)
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    return canvas * (1 - cover) + inside * cover


def glowing(canvas: Canvas, distance: Field, thing: Thing) -> Canvas:
    """A wide halo of the thing's own colour fading into the ground."""
    halo = np.exp(-np.clip(distance, 0, None) / 7)[..., None] * 0.75
    colour = np.asarray(COLOURS[thing.colour], np.float32)
    canvas = canvas * (1 - halo) + colour * halo
    core = np.clip(1.2 + distance / 9, 0, 1)[..., None]
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    lit = colour * core + np.array([255, 255, 255], np.float32) * (1 - core)
    return canvas * (1 - cover) + lit * cover


def dotted(canvas: Canvas, distance: Field, thing: Thing) -> Canvas:
    """The thing's colour with a regular grid of white dots."""
    x, y = _grid()
    dots = np.hypot(np.mod(x, 8) - 4, np.mod(y, 8) - 4)
    canvas = fill(canvas, distance, COLOURS[thing.colour])
    return fill(canvas, np.maximum(distance, (dots - 2.3).astype(np.float32)), (250, 250, 250))


STYLES: dict[str, Paint] = {"outlined": outlined, "striped": striped, "glowing": glowing, "dotted": dotted}
