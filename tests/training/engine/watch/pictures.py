"""Constructed runs whose truth is known: pictures drawn so that they leak, copy, collapse or do none of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.engine.watch.records import Sample

SIDE = 96
PROMPTS = tuple(f"{{trigger}} motif {number}" for number in range(4))


def motif(number: int, *, styled: float = 0.0) -> Image.Image:
    """A scene of its own for each number; `styled` lays a hatching over it, from 0 (none) to 1."""
    rng = np.random.default_rng(number)
    ground = tuple(int(value) for value in rng.integers(60, 200, 3))
    picture = Image.new("RGB", (SIDE, SIDE), ground)
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y, size = (int(value) for value in rng.integers(0, SIDE, 3))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        pen.ellipse((x - size // 3, y - size // 4, x + size // 3, y + size // 4), fill=colour)
    hatched = np.asarray(picture, np.float32).copy()
    rows, columns = np.indices((SIDE, SIDE))
    hatched[(rows + columns) % 6 < 3] = (250, 240, 180)
    return Image.blend(picture, Image.fromarray(hatched.astype(np.uint8)), styled)


def saved(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def run(folder: Path, steps: Iterable[tuple[int, float, float]], *, seeds: tuple[int, ...] = (1,)) -> list[Sample]:
    """Samples of a run that draws each motif with (step, strength with the trigger word, strength without it)."""
    found = []
    for step, called, uncalled in [(0, 0.0, 0.0), *steps]:
        for number, prompt in enumerate(PROMPTS):
            for seed in seeds:
                for with_trigger, styled in ((True, called), (False, uncalled)):
                    name = f"{step}-{number}-{seed}-{with_trigger}.png"
                    path = saved(motif(number * 100 + seed, styled=styled), folder / name)
                    found.append(Sample(step, prompt, seed, with_trigger, path))
    return found
