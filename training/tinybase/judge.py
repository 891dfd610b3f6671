"""A judge that looks at pixels only: what a picture shows, and how well that is what a prompt asked for.

`python -m training.tinybase.judge` prints how often the base follows its prompts.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from training.tinybase.pictures import BASE, Pictures, load_pipeline, pictures_of
from training.tinybase.scenes import COLOURS, POSITIONS, SHAPES, SIZE, SIZES, Field, Scene, Thing, draw, signed_distance

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BORDER = 2  # pixels of the edge that show the background alone
NOTICEABLE = 40.0  # distance in RGB from which a pixel is not background; the nearest two colours are 78 apart
TEMPLATE_RADIUS = 18.0


@dataclass(frozen=True)
class Wanted:
    """One thing on a ground: what a prompt asks for."""

    background: str
    colour: str
    shape: str
    size: str
    position: str

    @property
    def prompt(self) -> str:
        """The caption in the words of the training pictures."""
        words = ["a", self.size, self.colour, self.shape, self.position, f"on a {self.background} background"]
        return " ".join(word for word in words if word)

    @property
    def scene(self) -> Scene:
        """The picture that was asked for, to be drawn."""
        centre, radius = POSITIONS[self.position], SIZES[self.size]
        thing = Thing(self.shape, self.colour, self.size, self.position, centre, radius)
        return Scene(self.background, (thing,), self.prompt)


@dataclass(frozen=True)
class Seen:
    """What a picture shows; `overlap` is the IoU of the thing with the best-fitting shape."""

    background: str
    colour: str
    shape: str
    position: str
    overlap: float


@dataclass(frozen=True)
class Adherence:
    """Shares of pictures on which each attribute, and all of them together, is as the prompt says."""

    background: float
    colour: float
    shape: float
    position: float
    everything: float
    overlap: float


def sample_wanted(
    rng: np.random.Generator,
    count: int,
    *,
    avoid_backgrounds: Collection[str] = (),
    avoid_colours: Collection[str] = (),
    avoid_pairs: Collection[tuple[str, str]] = (),
    easy: bool = False,
) -> list[Wanted]:
    """Random requests for one thing, away from the given colours and (shape, colour) pairs.

    `easy` leaves out small things and the corners, where the base itself fails: for judging adapters, not the base.
    """
    sizes = [size for size in SIZES if not easy or size != "small"]
    positions = [name for name in POSITIONS if not easy or 0.5 in POSITIONS[name]]
    found: list[Wanted] = []
    while len(found) < count:
        background, colour = (str(name) for name in rng.choice(list(COLOURS), 2, replace=False))
        shape = str(rng.choice(list(SHAPES)))
        size, position = str(rng.choice(sizes)), str(rng.choice(positions))
        avoided = background in avoid_backgrounds or colour in avoid_colours or (shape, colour) in avoid_pairs
        if not avoided:
            found.append(Wanted(background, colour, shape, size, position))
    return found


def border_colour(picture: Picture) -> Field:
    """The median colour of the picture's edge, (3,) float32."""
    inner = np.zeros(picture.shape[:2], bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    return np.median(picture[~inner].astype(np.float32), axis=0).astype(np.float32)


def distance_to(picture: Picture, colour: Field | tuple[int, int, int]) -> Field:
    """Euclidean distance in RGB of every pixel to a colour, (64, 64)."""
    difference = picture.astype(np.float32) - np.asarray(colour, np.float32)
    return np.linalg.norm(difference, axis=2).astype(np.float32)


def nearest_colour(value: Field) -> str:
    """The name of the nearest of the twelve colours."""
    return min(COLOURS, key=lambda name: float(np.linalg.norm(np.asarray(COLOURS[name], np.float32) - value)))


def thing_mask(picture: Picture) -> Mask:
    """The pixels that are nearer to the thing's colour than to the ground's; all False on an empty picture."""
    distance = distance_to(picture, border_colour(picture))
    noticeable = distance[distance > NOTICEABLE]
    if noticeable.size < 8:
        return np.zeros((SIZE, SIZE), bool)
    return distance > max(NOTICEABLE, 0.5 * float(np.percentile(noticeable, 80)))


def see(picture: Picture) -> Seen | None:
    """What the picture shows, or None where there is nothing on the ground."""
    mask = thing_mask(picture)
    if not mask.any():
        return None
    distance = distance_to(picture, border_colour(picture))
    core = mask & (distance >= np.percentile(distance[mask], 30))
    colour = np.median(picture[core].astype(np.float32), axis=0).astype(np.float32)
    shape, overlap = best_shape(mask)
    background = nearest_colour(border_colour(picture))
    return Seen(background, nearest_colour(colour), shape, _position(mask), overlap)


def best_shape(mask: Mask) -> tuple[str, float]:
    """The shape that fits a mask best, and its IoU; ("", 0) for an empty mask."""
    if not mask.any():
        return "", 0.0
    overlaps = {shape: _overlap(mask, shape) for shape in SHAPES}
    shape = max(overlaps, key=lambda name: overlaps[name])
    return shape, overlaps[shape]


def _centroid(mask: Mask) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def _middle(mask: Mask) -> tuple[float, float]:
    """The middle of the bounding box, in shares of the picture; a shape's own centre of mass would mislead."""
    rows, columns = np.nonzero(mask)
    return float(columns.min() + columns.max() + 1) / 2 / SIZE, float(rows.min() + rows.max() + 1) / 2 / SIZE


def _position(mask: Mask) -> str:
    x, y = _middle(mask)
    return min(POSITIONS, key=lambda name: float(np.hypot(POSITIONS[name][0] - x, POSITIONS[name][1] - y)))


def _drawn_mask(shape: str, centre: tuple[float, float], radius: float) -> Mask:
    thing = Thing(shape, "", "", "", (centre[0] / SIZE, centre[1] / SIZE), radius)
    return signed_distance(thing) < 0


@cache
def _template(shape: str) -> tuple[int, float, float]:
    """(pixels, offset of the centre of mass) of a shape drawn in the middle."""
    mask = _drawn_mask(shape, (SIZE / 2, SIZE / 2), TEMPLATE_RADIUS)
    x, y = _centroid(mask)
    return int(mask.sum()), x - SIZE / 2, y - SIZE / 2


def _overlap(mask: Mask, shape: str) -> float:
    """IoU with the shape drawn at the same size and place."""
    pixels, dx, dy = _template(shape)
    scale = float(np.sqrt(mask.sum() / pixels))
    x, y = _centroid(mask)
    drawn = _drawn_mask(shape, (x - dx * scale, y - dy * scale), TEMPLATE_RADIUS * scale)
    return float((mask & drawn).sum() / (mask | drawn).sum())


def adherence(pictures: Pictures, wanted: Sequence[Wanted]) -> Adherence:
    """How well the pictures show what was wanted."""
    rows = [_agreement(see(picture), request) for picture, request in zip(pictures, wanted, strict=True)]
    return Adherence(*(float(value) for value in np.mean(rows, axis=0)))


def _agreement(seen: Seen | None, request: Wanted) -> tuple[float, ...]:
    if seen is None:
        return (0.0,) * len(fields(Adherence))
    names = ("background", "colour", "shape", "position")
    same = [getattr(seen, name) == getattr(request, name) for name in names]
    return (*(float(value) for value in same), float(all(same)), seen.overlap)


def table(rows: dict[str, Adherence]) -> str:
    """The numbers as lines of text."""
    names = [field.name for field in fields(Adherence)]
    head = " " * 18 + "".join(f"{name:>12}" for name in names)
    lines = [f"{label:<18}" + "".join(f"{value:12.3f}" for value in astuple(row)) for label, row in rows.items()]
    return "\n".join([head, *lines])


def main() -> None:
    """Judge drawn pictures (the judge itself) and generated ones (the base)."""
    parser = argparse.ArgumentParser(prog="python -m training.tinybase.judge", description=__doc__)
    parser.add_argument("--prompts", type=int, default=96)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = sample_wanted(np.random.default_rng(options.seed), options.prompts)
    drawn = np.stack([draw(request.scene) for request in wanted])
    made = pictures_of(load_pipeline(BASE), [request.prompt for request in wanted], seed=options.seed)
    print(table(_rows(drawn, made, wanted)))


def _rows(drawn: Pictures, made: Pictures, wanted: list[Wanted]) -> dict[str, Adherence]:
    """Drawn pictures test the judge, other prompts' pictures show what chance gives, then the base by size."""
    rows = {
        "drawn pictures": adherence(drawn, wanted),
        "prompts exchanged": adherence(made, [*wanted[1:], wanted[0]]),
        "the base": adherence(made, wanted),
    }
    for size in SIZES:
        own = [index for index, request in enumerate(wanted) if request.size == size]
        if own:
            rows[f"  {size or 'middle'} things"] = adherence(made[own], [wanted[index] for index in own])
    return rows


if __name__ == "__main__":
    main()
