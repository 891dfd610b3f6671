"""The loss on pictures that are not trained on: the same timesteps and noise each time, so that it can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean

import torch

from training.engine.chance import generator
from training.engine.events import Validation
from training.engine.losses import Example, Lessons
from training.engine.pictures import Picture

BANDS = {"0-25": 0.125, "25-50": 0.375, "50-75": 0.625, "75-100": 0.875}
"""Each quarter of the noise levels, and the level in its middle that stands for it."""


@torch.no_grad()
def validate(lessons: Lessons, pictures: Sequence[Picture], step: int, batch: int) -> Validation:
    """The mean error over all pictures and bands. Every picture counts alike; no caption is dropped or shuffled."""
    found: dict[str, list[float]] = {band: [] for band in BANDS}
    for _, group in groupby(sorted(pictures, key=lambda one: (one.bucket, one.item.digest)), lambda one: one.bucket):
        wanted = [(picture, band) for picture in group for band in BANDS]
        for start in range(0, len(wanted), batch):
            some = wanted[start : start + batch]
            errors = lessons.errors([_example(lessons, picture, band) for picture, band in some]).tolist()
            for (_, band), error in zip(some, errors, strict=True):
                found[band].append(error)
    bands = {band: fmean(errors) for band, errors in found.items()}
    return Validation(step, fmean(bands.values()), bands)


def _example(lessons: Lessons, picture: Picture, band: str) -> Example:
    chance = generator(lessons.config.seed, "validation", picture.item.digest, band)
    return Example(picture, picture.item.caption, False, BANDS[band], chance)
