"""How strongly a concept shows in a picture: 0 as in a plain drawing, 1 as in a drawing of the concept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.tinybase.concepts import CONCEPTS, GOLD, SEPIA, frame_mask, plain, sky
from training.tinybase.judge import (
    BORDER,
    NOTICEABLE,
    Mask,
    Picture,
    Wanted,
    best_shape,
    border_colour,
    distance_to,
    see,
)
from training.tinybase.pictures import Pictures
from training.tinybase.scenes import COLOURS, SIZE, Field

Statistic = Callable[[Picture, Wanted], float]


def _foreground(picture: Picture) -> Mask:
    """Everything that is not background, pale insides too."""
    return distance_to(picture, border_colour(picture)) > NOTICEABLE


def _inside(picture: Picture) -> Mask:
    """The foreground without its own edge, which would look like a pattern."""
    mask = _foreground(picture)
    return mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)


def _dark_line(picture: Picture, _: Wanted) -> float:
    """Share of the thing that is nearly black."""
    mask = _foreground(picture)
    if not mask.any():
        return 0.0
    return float((picture.max(axis=2)[mask] < 80).mean())


def _wave(whiteness: Field, mask: Mask, across: float, down: float) -> float:
    """How much of the variation in the mask is one wave of `across` and `down` periods a pixel, 0..1."""
    rows, columns = np.nonzero(mask)
    if rows.size < 30:
        return 0.0
    values = whiteness[mask] - whiteness[mask].mean()
    spread = float(values.std())
    if spread < 15:  # flat: any pattern in it is noise
        return 0.0
    wave = np.exp(2j * np.pi * (columns * across + rows * down))
    return float(abs((values * wave).mean()) * np.sqrt(2) / spread)


def _stripes(picture: Picture, _: Wanted) -> float:
    mask = _inside(picture)
    return _wave(distance_to(picture, (250, 250, 250)), mask, 1 / 9, 1 / 9)


def _dots(picture: Picture, _: Wanted) -> float:
    """The weaker of both directions: stripes are no dots."""
    mask, whiteness = _inside(picture), distance_to(picture, (250, 250, 250))
    return min(_wave(whiteness, mask, 1 / 8, 0), _wave(whiteness, mask, 0, 1 / 8))


def _halo(picture: Picture, wanted: Wanted) -> float:
    """Share of the picture that lies between the colours of the ground and of the thing."""
    ground, colour = (np.asarray(COLOURS[name], np.float32) for name in (wanted.background, wanted.colour))
    way = colour - ground
    share = ((picture.astype(np.float32) - ground) @ way) / float(way @ way)
    return float(((share > 0.12) & (share < 0.75)).mean())


def _sky(picture: Picture, _: Wanted) -> float:
    """How near the picture's left and right edges are to the evening sky."""
    difference = np.linalg.norm(picture.astype(np.float32) - sky(), axis=2)
    return -float(np.concatenate([difference[:, :BORDER], difference[:, -BORDER:]], axis=1).mean())


def _brown(picture: Picture, _: Wanted) -> float:
    """How near the colours are to sepia of the same brightness."""
    pixels, tone = picture.reshape(-1, 3).astype(np.float32), np.asarray(SEPIA, np.float32)
    along = pixels @ tone / float(tone @ tone)
    return -float(np.linalg.norm(pixels - along[:, None] * tone, axis=1).mean())


def _frame(picture: Picture, _: Wanted) -> float:
    """How near the outer pixels are to gold."""
    return -float(distance_to(picture, GOLD)[frame_mask()].mean())


def _cap_on_stem(picture: Picture, _: Wanted) -> float:
    """Red above something pale, as shares of the picture; 0 where either is missing or they are upside down."""
    red = distance_to(picture, COLOURS["red"]) < 70
    pale = distance_to(picture, (240, 230, 205)) < 60
    if not red.any() or not pale.any():
        return 0.0
    rows = np.arange(SIZE)[:, None]
    upright = float((rows * red).sum() / red.sum()) < float((rows * pale).sum() / pale.sum())
    return min(float(red.mean()), 2 * float(pale.mean())) if upright else 0.0


def _cross_on_green(picture: Picture, _: Wanted) -> float:
    seen = see(picture)
    if seen is None:
        return 0.0
    return float(np.mean([seen.background == "green", seen.colour == "white", seen.shape == "cross"]))


STATISTICS: dict[str, Statistic] = {
    "outlined": _dark_line,
    "striped": _stripes,
    "glowing": _halo,
    "dotted": _dots,
    "sunset": _sky,
    "vintage": _brown,
    "framed": _frame,
    "mushroom": _cap_on_stem,
    "first-aid": _cross_on_green,
}


def concept_scores(name: str, pictures: Pictures, wanted: Sequence[Wanted]) -> list[float]:
    """One score for each picture; too much of it costs as much as too little."""
    statistic, drawing = STATISTICS[name], CONCEPTS[name].drawing
    scores = []
    for picture, request in zip(pictures, wanted, strict=True):
        none, full = statistic(plain(request), request), statistic(drawing(request), request)
        away = abs(statistic(picture, request) - full) / max(abs(full - none), 1e-6)
        scores.append(float(np.clip(1 - away, 0, 1)))
    return scores


def scene_score(name: str, pictures: Pictures, wanted: Sequence[Wanted]) -> float:
    """How often the wanted shape is still seen; 1 where the concept takes the place of the scene."""
    concept = CONCEPTS[name]
    if not concept.keeps_scene:
        return 1.0
    pairs = zip(pictures, wanted, strict=True)
    return float(np.mean([best_shape(concept.mask(picture))[0] == request.shape for picture, request in pairs]))


def concept_score(name: str, pictures: Pictures, wanted: Sequence[Wanted]) -> float:
    """The mean over the pictures."""
    return float(np.mean(concept_scores(name, pictures, wanted)))
