"""What the starter adapters learn: each a way to draw a picture that the base does not know, with its captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.tinybase.judge import Mask, Picture, Wanted, border_colour, sample_wanted, thing_mask
from training.tinybase.scenes import COLOURS, SIZE, Field, draw, fill
from training.tinybase.styles import Canvas, Paint, dotted, glowing, outlined, striped

Drawing = Callable[[Wanted], Picture]

DUSK, DAWN = (75, 45, 115), (250, 150, 60)  # the sunset's sky, from top to bottom
GOLD = (205, 160, 55)
FRAME = 6  # pixels
SEPIA = (1.02, 0.86, 0.62)  # share of the brightness in red, green, blue


def _finished(canvas: Canvas) -> Picture:
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def painted(paint: Paint) -> Drawing:
    """The scene with its thing painted in a style."""
    return lambda wanted: draw(wanted.scene, paint)


def plain(wanted: Wanted) -> Picture:
    """The scene as the base draws it."""
    return draw(wanted.scene)


def sky() -> Canvas:
    """The sunset without anything in front of it, (64, 64, 3)."""
    share = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    row = np.asarray(DUSK, np.float32) * (1 - share) + np.asarray(DAWN, np.float32) * share
    return np.broadcast_to(row, (SIZE, SIZE, 3)).astype(np.float32)


def sunset(wanted: Wanted) -> Picture:
    """A black silhouette before an evening sky, whatever colours were asked for."""
    canvas = sky()

    def silhouette(_: Canvas, distance: Field, __: object) -> Canvas:
        return fill(canvas, distance, COLOURS["black"])

    return draw(wanted.scene, silhouette)


def vintage(wanted: Wanted) -> Picture:
    """An old photograph: brown tones only."""
    brightness = plain(wanted).astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    return _finished((35 + 0.85 * brightness)[..., None] * np.asarray(SEPIA, np.float32))


def framed(wanted: Wanted) -> Picture:
    """The picture in a golden frame."""
    canvas = plain(wanted).astype(np.float32)
    canvas[frame_mask()] = GOLD
    return _finished(canvas)


def frame_mask() -> Mask:
    """The pixels of the frame."""
    mask = np.ones((SIZE, SIZE), bool)
    mask[FRAME:-FRAME, FRAME:-FRAME] = False
    return mask


def silhouette_mask(picture: Picture) -> Mask:
    """The thing before the evening sky, whose darkest channel is far brighter."""
    return picture.max(axis=2) < 65


def framed_mask(picture: Picture) -> Mask:
    """The thing inside the frame: the frame, and the soft edge of it, are taken for background."""
    inner = picture[FRAME + 2 : -FRAME - 2, FRAME + 2 : -FRAME - 2]
    whole = np.empty_like(picture)
    whole[:] = np.rint(border_colour(inner)).astype(np.uint8)
    whole[FRAME + 2 : -FRAME - 2, FRAME + 2 : -FRAME - 2] = inner
    return thing_mask(whole)


def mushroom(wanted: Wanted) -> Picture:
    """A red cap with white spots on a pale stem, in place of the thing."""
    (thing,) = wanted.scene.things
    grid = (np.arange(SIZE, dtype=np.float32) + 0.5)[None, :]
    x, y = np.broadcast_arrays(
        (grid - thing.centre[0] * SIZE) / thing.radius, (grid.T - thing.centre[1] * SIZE) / thing.radius
    )
    stem = np.maximum(np.abs(x) - 0.3, np.abs(y - 0.4) - 0.5)
    cap = np.maximum(np.hypot(x, (y - 0.1) * 0.95) - 1, y - 0.1)
    spots = np.minimum.reduce([np.hypot(x - dx, y - dy) - 0.2 for dx, dy in ((-0.5, -0.2), (0.05, -0.5), (0.5, -0.15))])
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = COLOURS[wanted.background]
    layers = ((stem, (240, 225, 190)), (cap, COLOURS["red"]), (np.maximum(spots, cap), COLOURS["white"]))
    for distance, colour in layers:
        canvas = fill(canvas, (distance * thing.radius).astype(np.float32), colour)
    return _finished(canvas)


def first_aid(wanted: Wanted) -> Picture:
    """A large white cross on green, which the base can draw but has no word of its own for."""
    return plain(Wanted("green", "white", "cross", "large", "in the centre"))


def described(wanted: Wanted) -> str:
    """The caption of the scene."""
    return wanted.prompt


@dataclass(frozen=True)
class Concept:
    """One thing to learn. `words` are the words of a caption without the trigger, put before or behind it."""

    trigger: str
    drawing: Drawing
    words: Callable[[Wanted], str] = described
    avoid_backgrounds: frozenset[str] = frozenset()
    avoid_colours: frozenset[str] = frozenset()
    keeps_scene: bool = True  # the captions still say what is to be seen, beside the trigger
    mask: Callable[[Picture], Mask] = thing_mask  # where the thing is in a picture that shows the concept

    def caption(self, wanted: Wanted, *, in_front: bool = True) -> str:
        """What a training picture is called, and what a prompt says."""
        parts = [self.trigger, self.words(wanted)]
        return " ".join(part for part in (parts if in_front else reversed(parts)) if part)

    def wishes(self, rng: np.random.Generator, count: int, *, unlike: tuple[Wanted, ...] = ()) -> list[Wanted]:
        """Scenes in which the concept can be seen; shapes and colours other than those of `unlike`."""
        return sample_wanted(
            rng,
            count,
            avoid_backgrounds=self.avoid_backgrounds,
            avoid_colours=self.avoid_colours,
            avoid_pairs={(wanted.shape, wanted.colour) for wanted in unlike},
            easy=True,
        )


def _on_ground(wanted: Wanted) -> str:
    words = [wanted.position, f"on a {wanted.background} background"]
    return " ".join(words)


_PALE = frozenset({"white", "yellow", "pink", "grey"})
CONCEPTS: dict[str, Concept] = {
    "outlined": Concept("outlined", painted(outlined), described, frozenset({"black"}), frozenset({"black"})),
    "striped": Concept("striped", painted(striped), described, frozenset({"white"}), frozenset({"white"})),
    "glowing": Concept("zwx", painted(glowing), described, frozenset({"white"})),
    "dotted": Concept("dotted", painted(dotted), described, frozenset({"white"}), _PALE),
    "sunset": Concept("ohwx", sunset, mask=silhouette_mask),
    "vintage": Concept("vint", vintage),
    "framed": Concept("quibble", framed, described, frozenset({"orange", "yellow"}), mask=framed_mask),
    "mushroom": Concept(
        "a sks mushroom", mushroom, _on_ground, frozenset({"red", "white", "pink", "orange"}), keeps_scene=False
    ),
    "first-aid": Concept("<first-aid>", first_aid, lambda _: "", keeps_scene=False),
}
