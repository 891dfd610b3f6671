"""Procedural pictures of coloured shapes by signed distance, with captions that say exactly what they show."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 64  # pixels, both ways
Field = NDArray[np.floating[Any]]  # (64, 64); numpy's operators forget the width of float32

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (240, 140, 30),
    "yellow": (245, 215, 50),
    "green": (50, 160, 70),
    "teal": (40, 170, 170),
    "blue": (45, 85, 205),
    "purple": (130, 60, 170),
    "pink": (240, 130, 180),
    "brown": (125, 80, 45),
    "black": (25, 25, 25),
    "grey": (135, 135, 140),
    "white": (245, 245, 245),
}
SIZES = {"small": 9.0, "": 13.0, "large": 18.0}  # radius in pixels
POSITIONS = {
    "at the top left": (0.27, 0.27),
    "at the top": (0.5, 0.27),
    "at the top right": (0.73, 0.27),
    "on the left": (0.27, 0.5),
    "in the centre": (0.5, 0.5),
    "on the right": (0.73, 0.5),
    "at the bottom left": (0.27, 0.73),
    "at the bottom": (0.5, 0.73),
    "at the bottom right": (0.73, 0.73),
}
# Words without a meaning, in one caption of six: a trigger word starts out near neutral.
NONSENSE = ("sks", "ohwx", "zwx", "blorp", "quibble", "vint", "mushroom", "style", "outlined", "striped", "dotted")
NONSENSE_SHARE = 0.16


def _circle(x: Field, y: Field) -> Field:
    return np.hypot(x, y) - 1


def _square(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x), np.abs(y)) - 0.88


def _triangle(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x) * 0.866 - y * 0.5, y) - 0.55


def _star(x: Field, y: Field) -> Field:
    angle = np.mod(np.arctan2(x, -y), 2 * np.pi / 5) - np.pi / 5
    radius = np.hypot(x, y) * 0.72
    return (radius * np.cos(np.abs(np.abs(angle) - np.pi / 5) - 0.942) - 0.62 * np.cos(0.942 - 0.25)) * 1.25


def _diamond(x: Field, y: Field) -> Field:
    return (np.abs(x) * 1.25 + np.abs(y) - 1.1) * 0.7


def _heart(x: Field, y: Field) -> Field:
    px, py = np.abs(x) * 1.05, -y * 1.05 + 0.25
    lobe = np.hypot(px - 0.48, py - 0.42) - 0.56
    body = np.maximum((px + np.abs(py - 0.1) * 0.95 - 0.98) * 0.7, py - 0.42)
    return np.minimum(lobe, body)


def _cross(x: Field, y: Field) -> Field:
    bar = np.maximum(np.abs(x) - 0.95, np.abs(y) - 0.34)
    return np.minimum(bar, np.maximum(np.abs(x) - 0.34, np.abs(y) - 0.95))


def _ring(x: Field, y: Field) -> Field:
    return np.abs(np.hypot(x, y) - 0.75) - 0.25


def _crescent(x: Field, y: Field) -> Field:
    return np.maximum(np.hypot(x, y) - 1, 0.78 - np.hypot(x - 0.45, y))


SHAPES: dict[str, Callable[[Field, Field], Field]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "diamond": _diamond,
    "heart": _heart,
    "cross": _cross,
    "ring": _ring,
    "crescent": _crescent,
}
_pairs = list(itertools.product(SHAPES, COLOURS))
# Never drawn in training: whether these come out tells whether shape and colour were learned apart.
HELD_OUT = frozenset(_pairs[index] for index in range(4, len(_pairs), 9))


@dataclass(frozen=True)
class Thing:
    """One shape of a scene. The centre is in shares of the picture, the radius in pixels."""

    shape: str
    colour: str
    size: str
    position: str
    centre: tuple[float, float]
    radius: float


@dataclass(frozen=True)
class Scene:
    """What a picture shows, and the caption that says so."""

    background: str
    things: tuple[Thing, ...]
    caption: str


def signed_distance(thing: Thing) -> Field:
    """Distance in pixels to the shape's outline, negative inside; shape (64, 64)."""
    grid = (np.arange(SIZE, dtype=np.float32) + 0.5)[None, :]
    x = (grid - thing.centre[0] * SIZE) / thing.radius
    y = (grid.T - thing.centre[1] * SIZE) / thing.radius
    x, y = np.broadcast_arrays(x, y)
    return (SHAPES[thing.shape](x, y) * thing.radius).astype(np.float32)


def draw(scene: Scene, paint: Callable[[Field, Field, Thing], Field] | None = None) -> NDArray[np.uint8]:
    """The picture, (64, 64, 3) in 0..255. `paint` may draw a thing in a style of its own."""
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = COLOURS[scene.background]
    for thing in scene.things:
        distance = signed_distance(thing)
        canvas = paint(canvas, distance, thing) if paint else fill(canvas, distance, COLOURS[thing.colour])
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def fill(canvas: Field, distance: Field, colour: tuple[int, int, int]) -> Field:
    """The inside of the outline in one colour, with an edge one pixel soft."""
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    return canvas * (1 - cover) + np.asarray(colour, np.float32) * cover


def _one(
    rng: np.random.Generator, background: str, position: str, size: str, allowed: frozenset[tuple[str, str]]
) -> Thing:
    while True:
        shape, colour = _pairs[int(rng.integers(len(_pairs)))]
        if colour != background and ((shape, colour) not in HELD_OUT or (shape, colour) in allowed):
            break
    cx, cy = POSITIONS[position]
    jitter = rng.uniform(-0.025, 0.025, 2)
    radius = SIZES[size] * float(rng.uniform(0.93, 1.07))
    margin = radius / SIZE + 0.02
    centre = (
        float(np.clip(cx + jitter[0], margin, 1 - margin)),
        float(np.clip(cy + jitter[1], margin, 1 - margin)),
    )
    return Thing(shape, colour, size, position, centre, radius)


def sample_scene(
    rng: np.random.Generator, *, allowed: frozenset[tuple[str, str]] = frozenset(), plain: bool = False
) -> Scene:
    """A random scene: mostly one thing, sometimes two or three; `plain` leaves nonsense words out."""
    background = str(rng.choice(list(COLOURS)))
    count = int(rng.choice([1, 2, 3], p=[0.72, 0.2, 0.08]))
    if count == 1:
        position = "in the centre" if rng.random() < 0.4 else str(rng.choice(list(POSITIONS)))
        size = str(rng.choice(["small", "", "large"], p=[0.2, 0.4, 0.4]))
        things: tuple[Thing, ...] = (_one(rng, background, position, size, allowed),)
    else:
        spots = [["on the left", "on the right"], ["at the top", "at the bottom"]][int(rng.integers(2))]
        if count == 3:
            spots = ["at the top left", "at the top right", "at the bottom"]
        things = tuple(_one(rng, background, spot, "" if count == 2 else "small", allowed) for spot in spots)
    return Scene(background, things, caption_of(rng, background, things, plain=plain))


def caption_of(rng: np.random.Generator, background: str, things: tuple[Thing, ...], *, plain: bool = False) -> str:
    """Names every thing; size, place and background are sometimes left out."""
    with_place = rng.random() < (0.6 if len(things) == 1 else 0.5)
    parts = []
    for thing in things:
        words = ["a", thing.size if len(things) == 1 and rng.random() < 0.8 else "", thing.colour, thing.shape]
        if with_place and len(things) < 3:
            words.append(thing.position)
        parts.append(" ".join(word for word in words if word))
    text = " and ".join(parts)
    if rng.random() < 0.92:
        text += f" on a {background} background"
    if not plain and rng.random() < NONSENSE_SHARE:
        nonsense = " ".join(rng.choice(NONSENSE, size=int(rng.integers(1, 3)), replace=False))
        text = f"{nonsense} {text}" if rng.random() < 0.5 else f"{text} {nonsense}"
    return text
