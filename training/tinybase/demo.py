"""A style and a subject that nobody trained yet: twelve drawn pictures of each, to show what training does.

`python -m training.tinybase.demo sticker sticker.zip` writes them, and class pictures, as they are uploaded: pictures
under `images/` and `class/`, their captions under `captions/`, and `config.json`.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.tinybase.concepts import Concept, plain
from training.tinybase.judge import Picture, Wanted, distance_to
from training.tinybase.pictures import Pictures
from training.tinybase.scenes import COLOURS, SIZE, Field, Thing, draw, fill, signed_distance
from training.tinybase.styles import Canvas

COUNT = 12
CLASS_PICTURES = 24
SEED = 2_412
EPOCH = (2026, 1, 1, 0, 0, 0)  # of the files in the zip, so that equal pictures make equal bytes
WHITE, INK = (250, 250, 250), (20, 20, 30)
BODY, FIN = COLOURS["orange"], COLOURS["purple"]
BORDER = 3.5  # pixels of white around a sticker
SHADOW = (3, 3)  # pixels to the right and down


def sticker(canvas: Canvas, distance: Field, thing: Thing) -> Canvas:
    """The thing cut out as a sticker: a broad white border, and its shadow on the ground."""
    right, down = SHADOW
    x, y = thing.centre
    fallen = signed_distance(replace(thing, centre=(x + right / SIZE, y + down / SIZE)))
    dark = np.clip((BORDER + 2.0 - fallen) / 4.0, 0, 1)[..., None] * 0.45
    canvas = canvas * (1 - dark)
    canvas = fill(canvas, (distance - BORDER).astype(np.float32), WHITE)
    return fill(canvas, distance, COLOURS[thing.colour])


def fish(wanted: Wanted) -> Picture:
    """An orange fish with a purple tail and an eye, swimming to the right, in place of the thing."""
    (thing,) = wanted.scene.things
    grid = (np.arange(SIZE, dtype=np.float32) + 0.5)[None, :]
    x, y = np.broadcast_arrays(
        (grid - thing.centre[0] * SIZE) / thing.radius, (grid.T - thing.centre[1] * SIZE) / thing.radius
    )
    body = np.hypot((x - 0.2) / 0.95, y / 0.68) - 1
    tail = np.maximum(np.maximum(np.abs(y) * 0.8 + x + 0.45, -x - 1.2), np.abs(y) - 0.9)
    back = np.maximum(np.hypot((x - 0.1) / 0.6, (y + 0.45) / 0.6) - 1, y + 0.3)
    eye, pupil = np.hypot(x - 0.68, y + 0.15) - 0.2, np.hypot(x - 0.72, y + 0.15) - 0.1
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = COLOURS[wanted.background]
    for distance, colour in ((tail, FIN), (back, FIN), (body, BODY), (eye, WHITE), (pupil, INK)):
        canvas = fill(canvas, (distance * thing.radius * 0.7).astype(np.float32), colour)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _white_border(picture: Picture) -> float:
    """Share of the picture that is whitish; the nearest colour, pink, is 139 away."""
    return float((distance_to(picture, WHITE) < 100).mean())


def _tail_behind_body(picture: Picture) -> float:
    """Purple to the left of orange, as shares of the picture; 0 where either is missing or they are the other way."""
    body, fin = distance_to(picture, BODY) < 70, distance_to(picture, FIN) < 70
    if not body.any() or not fin.any():
        return 0.0
    columns = np.arange(SIZE)[None, :]
    ahead = float((columns * body).sum() / body.sum()) > float((columns * fin).sum() / fin.sum())
    return min(float(body.mean()), 2 * float(fin.mean())) if ahead else 0.0


@dataclass(frozen=True)
class Demo:
    """What is to be learned, how its captions go, and the statistic of a picture that is larger where it shows."""

    concept: Concept
    purpose: str
    shown: Callable[[Picture], float]

    def scores(self, pictures: Pictures, wanted: Sequence[Wanted]) -> list[float]:
        """0 as in a plain drawing, 1 as in a drawing of the concept; too much of it costs as much as too little."""
        found = []
        for picture, request in zip(pictures, wanted, strict=True):
            none, full = self.shown(plain(request)), self.shown(self.concept.drawing(request))
            away = abs(self.shown(picture) - full) / max(abs(full - none), 1e-6)
            found.append(float(np.clip(1 - away, 0, 1)))
        return found


def _stuck(wanted: Wanted) -> Picture:
    return draw(wanted.scene, sticker)


def _on_ground(wanted: Wanted) -> str:
    return f"{wanted.position} on a {wanted.background} background"


DEMOS: dict[str, Demo] = {
    "sticker": Demo(
        Concept("stkr", _stuck, avoid_backgrounds=frozenset({"white", "grey"}), avoid_colours=frozenset({"white"})),
        "style",
        _white_border,
    ),
    "fish": Demo(
        Concept("a fsh", fish, _on_ground, frozenset({"orange", "purple", "red", "pink", "brown"}), keeps_scene=False),
        "object",
        _tail_behind_body,
    ),
}


@dataclass(frozen=True)
class Example:
    """One picture of a dataset with its caption, and what was asked for."""

    path: str
    picture: Picture
    caption: str
    wanted: Wanted


def examples(name: str, count: int = COUNT) -> list[Example]:
    """Pictures of the concept, their captions led by the trigger word; always the same."""
    concept = DEMOS[name].concept
    wanted = concept.wishes(np.random.default_rng(SEED), count)
    return [
        Example(f"images/{number:02}.png", concept.drawing(request), concept.caption(request), request)
        for number, request in enumerate(wanted, start=1)
    ]


def class_examples(name: str, count: int = CLASS_PICTURES) -> list[Example]:
    """Plain pictures of the same kind of scenes, their captions without the trigger word: what must stay as it is."""
    concept = DEMOS[name].concept
    wanted = concept.wishes(np.random.default_rng(SEED + 1), count)
    return [
        Example(f"class/plain-{number:02}.png", plain(request), request.prompt, request)
        for number, request in enumerate(wanted, start=1)
    ]


def png(picture: Picture) -> bytes:
    """The picture as a file."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()


def files(name: str, class_pictures: int = CLASS_PICTURES) -> dict[str, bytes]:
    """Everything that is uploaded, by its path."""
    found: dict[str, bytes] = {}
    for example in [*examples(name), *class_examples(name, class_pictures)]:
        found[example.path] = png(example.picture)
        found[f"captions/{Path(example.path).stem}.txt"] = example.caption.encode()
    config = {
        "trigger": DEMOS[name].concept.trigger.removeprefix("a "),
        "purpose": DEMOS[name].purpose,
        "licence": "cc0-1.0",
        "source": "Drawn by formula; no person's work is in it.",
    }
    return {**found, "config.json": json.dumps(config, indent=1).encode()}


def write_zip(name: str, out: Path, class_pictures: int = CLASS_PICTURES) -> None:
    """The dataset as one archive; equal arguments give equal bytes."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files(name, class_pictures).items()):
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content)


def main() -> None:
    """Write one of them."""
    parser = argparse.ArgumentParser(prog="python -m training.tinybase.demo", description=__doc__)
    parser.add_argument("name", choices=sorted(DEMOS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--class-pictures", type=int, default=CLASS_PICTURES)
    options = parser.parse_args()
    write_zip(options.name, options.out, options.class_pictures)
    print(f"{options.out}: {COUNT} pictures and {options.class_pictures} class pictures")


if __name__ == "__main__":
    main()
