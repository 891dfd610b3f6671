"""Pictures drawn by formula, for benchmarks that need many: the same seed always draws the same picture.

Nine kinds with texture (paintings of strokes, landscapes, stained glass, ink on paper, cartoon figures, patchworks,
leaves, city fronts, clouds with stars) and four plain ones (signs, gradients, stripes, soft blobs). They differ from
each other as pictures of one artist do: same means, other composition. They are not photographs, and stand for none.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Canvas = NDArray[np.uint8]
Dice = np.random.Generator
SHAPES = ((640, 640), (768, 512), (512, 768), (800, 600), (600, 900))


def textured(seed: int) -> Image.Image:
    """A picture with many details."""
    return _drawn(seed, TEXTURED)


def plain(seed: int) -> Image.Image:
    """A sign, gradient, stripes or blobs: few corners or none."""
    return _drawn(seed, PLAIN)


def _drawn(seed: int, kinds: tuple[Callable[[Canvas, Dice], Canvas], ...]) -> Image.Image:
    dice = np.random.default_rng([seed, len(kinds)])
    width, height = SHAPES[seed // len(kinds) % len(SHAPES)]
    return Image.fromarray(kinds[seed % len(kinds)](_gradient(width, height, dice), dice))


def _colour(dice: Dice) -> tuple[int, int, int]:
    return tuple(int(level) for level in dice.integers(0, 256, 3))  # type: ignore[return-value]


def _gradient(width: int, height: int, dice: Dice) -> Canvas:
    corners = dice.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def _fractal(width: int, height: int, dice: Dice, octaves: int = 7, roughness: float = 0.55) -> NDArray[np.float32]:
    """Value noise [height, width] between 0 and 1."""
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 1)
        grain = dice.random((cells + 1, cells + 1), np.float32)
        field += roughness**octave * cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    return (field - field.min()) / (field.max() - field.min())


def _place(canvas: Canvas, dice: Dice) -> tuple[int, int]:
    return int(dice.integers(0, canvas.shape[1])), int(dice.integers(0, canvas.shape[0]))


def _strokes(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    flow, tone = _fractal(width, height, dice, 4), _fractal(width, height, dice, 5)
    palette = [_colour(dice) for _ in range(7)]
    for _ in range(1800):
        x, y = _place(canvas, dice)
        turn, length = flow[y, x] * 9.0, float(dice.integers(8, 60))
        end = (int(x + length * np.cos(turn)), int(y + length * np.sin(turn)))
        colour = np.array(palette[int(tone[y, x] * 6.99)]) + dice.integers(-25, 26, 3)
        cv2.line(canvas, (x, y), end, colour.clip(0, 255).tolist(), int(dice.integers(1, 9)), cv2.LINE_AA)
    return canvas


def _landscape(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    for layer in range(4):
        grain = _fractal(width, height, dice, 8, 0.6)
        ridge = (height * (0.25 + 0.2 * layer) + 0.3 * height * (grain[height // 2] - 0.5)).astype(int)
        mask = np.arange(height)[:, None] > ridge[None, :]
        colour = np.array(_colour(dice), np.float32)
        canvas[mask] = (colour * (0.4 + 0.9 * grain[..., None])).clip(0, 255).astype(np.uint8)[mask]
    for _ in range(int(dice.integers(10, 60))):
        x, y = _place(canvas, dice)
        size = int(8 + 60 * y / height)
        cv2.line(canvas, (x, y), (x, y - size), (40, 30, 20), max(1, size // 12), cv2.LINE_AA)
        cv2.circle(canvas, (x, y - size), size // 3, _colour(dice), -1, cv2.LINE_AA)
    return canvas


def _glass(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    division = cv2.Subdiv2D((0, 0, width, height))
    for _ in range(int(dice.integers(60, 400))):
        division.insert((float(dice.uniform(0, width - 1)), float(dice.uniform(0, height - 1))))
    shade = _fractal(width, height, dice, 6)
    for facet in division.getVoronoiFacetList([])[0]:
        cv2.fillConvexPoly(canvas, np.rint(facet).astype(np.int32), _colour(dice), cv2.LINE_AA)
        cv2.polylines(canvas, [np.rint(facet).astype(np.int32)], True, (20, 20, 20), 2, cv2.LINE_AA)
    return (canvas * (0.6 + 0.4 * shade[..., None])).astype(np.uint8)


def _ink(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    canvas[:] = 225 + (28 * _fractal(width, height, dice, 7, 0.8)[..., None]).astype(np.uint8)
    for _ in range(int(dice.integers(40, 160))):
        bends = np.array([_place(canvas, dice)]) + np.cumsum(dice.normal(0, 45, (4, 2)), axis=0)
        time = np.linspace(0, 1, 30)[:, None]
        curve = sum(weight * bend for weight, bend in zip(_bernstein(time), bends, strict=True))
        tone = (int(dice.integers(0, 90)),) * 3
        cv2.polylines(canvas, [np.rint(curve).astype(np.int32)], False, tone, int(dice.integers(1, 6)), cv2.LINE_AA)
    return canvas


def _bernstein(time: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    rest = 1 - time
    return [rest**3, 3 * rest**2 * time, 3 * rest * time**2, time**3]


def _figure(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    for _ in range(int(dice.integers(15, 45))):
        centre, size = _place(canvas, dice), int(dice.integers(15, 140))
        axes, turn = (size, int(size * dice.uniform(0.3, 1))), float(dice.uniform(0, 180))
        cv2.ellipse(canvas, centre, axes, turn, 0, 360, _colour(dice), -1, cv2.LINE_AA)
        cv2.ellipse(canvas, centre, axes, turn, 0, 360, (15, 10, 20), 3, cv2.LINE_AA)
        for _ in range(int(dice.integers(0, 9))):
            near = np.array(centre) + dice.normal(0, size / 2, 2)
            cv2.circle(canvas, tuple(int(v) for v in near), int(dice.integers(2, 11)), _colour(dice), -1, cv2.LINE_AA)
    for _ in range(120):
        start = np.array([width / 2, height / 4]) + dice.normal(0, 60, 2)
        end = start + dice.normal(0, 130, 2)
        cv2.line(canvas, tuple(start.astype(int)), tuple(end.astype(int)), _colour(dice), 2, cv2.LINE_AA)
    return canvas


def _patchwork(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    step = int(dice.integers(40, 110))
    for top in range(0, height, step):
        for left in range(0, width, step):
            cv2.rectangle(canvas, (left, top), (left + step, top + step), _colour(dice), -1)
            for inset in range(4, step // 2, int(dice.integers(5, 16))):
                corner, opposite = (left + inset, top + inset), (left + step - inset, top + step - inset)
                cv2.rectangle(canvas, corner, opposite, _colour(dice), int(dice.integers(1, 4)))
    return canvas


def _leaves(canvas: Canvas, dice: Dice) -> Canvas:
    hue = np.array(_colour(dice))
    for _ in range(700):
        centre, length, turn = _place(canvas, dice), int(dice.integers(8, 45)), float(dice.uniform(0, 360))
        colour = (hue + dice.integers(-60, 61, 3)).clip(0, 255)
        cv2.ellipse(canvas, centre, (length, length // 3), turn, 0, 360, colour.tolist(), -1, cv2.LINE_AA)
        tip = np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))]) * length
        cv2.line(canvas, centre, tuple((np.array(centre) + tip).astype(int)), (colour * 0.6).tolist(), 1, cv2.LINE_AA)
    return canvas


def _city(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    left = 0
    while left < width:
        wide, top = int(dice.integers(40, 140)), int(dice.integers(height // 8, height // 2))
        cv2.rectangle(canvas, (left, top), (left + wide, height), _colour(dice), -1)
        pitch, lamp = int(dice.integers(12, 30)), _colour(dice)
        for y in range(top + 6, height - pitch, pitch):
            for x in range(left + 5, left + wide - pitch // 2, pitch):
                if dice.random() < 0.6:
                    cv2.rectangle(canvas, (x, y), (x + pitch // 2, y + pitch // 2), lamp, -1)
        left += wide
    grain = _fractal(width, height, dice, 7, 0.7)
    return (canvas * (0.75 + 0.25 * grain[..., None])).astype(np.uint8)


def _sky(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    cloud, cover = _fractal(width, height, dice, 9, 0.62)[..., None], np.array(_colour(dice), np.float32)
    canvas = (canvas * (1 - cloud) + cover * cloud).astype(np.uint8)
    for _ in range(int(dice.integers(100, 500))):
        cv2.circle(canvas, _place(canvas, dice), int(dice.integers(1, 5)), _colour(dice), -1, cv2.LINE_AA)
    return canvas


def _sign(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    canvas[:] = _colour(dice)
    for _ in range(int(dice.integers(1, 4))):
        corners = int(dice.integers(3, 9))
        turns = np.sort(dice.uniform(0, 2 * np.pi, corners))
        reach = dice.uniform(0.1, 0.42, corners)[:, None] * min(width, height)
        rim = np.array([width / 2, height / 2]) + reach * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cv2.fillPoly(canvas, [rim.astype(np.int32)], _colour(dice), cv2.LINE_AA)
    return canvas


def _wash(canvas: Canvas, dice: Dice) -> Canvas:
    height, width = canvas.shape[:2]
    points = dice.integers(0, 256, (3, 4, 3)).astype(np.uint8)
    return cv2.resize(points, (width, height), interpolation=cv2.INTER_CUBIC)


def _stripes(canvas: Canvas, dice: Dice) -> Canvas:
    left = 0
    while left < canvas.shape[1]:
        wide = int(dice.integers(20, 160))
        canvas[:, left : left + wide] = _colour(dice)
        left += wide
    return canvas


def _blobs(canvas: Canvas, dice: Dice) -> Canvas:
    for _ in range(int(dice.integers(2, 7))):
        cv2.circle(canvas, _place(canvas, dice), int(dice.integers(60, 220)), _colour(dice), -1)
    return cv2.GaussianBlur(canvas, (0, 0), 25)


TEXTURED = (_strokes, _landscape, _glass, _ink, _figure, _patchwork, _leaves, _city, _sky)
PLAIN = (_sign, _wash, _stripes, _blobs)
