"""Loss of diversity: samples of different prompts become one picture, or no picture at all."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from training.engine.watch.looks import Look, look
from training.engine.watch.pairs import Gallery
from training.engine.watch.records import TrainingPicture, WatchWarning

SHARE = 0.5  # of the diversity that the less diverse of base and training pictures has
LEAST = 3  # samples with the trigger word, below which there is no diversity to speak of


def diversity(looks: Iterable[Look]) -> float:
    """Mean distance between two of the looks, in what is where and in manner together."""
    points = [np.concatenate([one.layout, one.manner]) for one in looks]
    distances = [float(np.linalg.norm(left - right)) for left, right in combinations(points, 2)]
    return float(np.mean(distances)) if distances else 0.0


def lost(gallery: Gallery, training: tuple[TrainingPicture, ...]) -> list[WatchWarning]:
    """One warning for lost diversity and one for flat samples, at the first step that has it."""
    found: list[WatchWarning] = []
    allowed = _allowed(gallery, training)
    for step in gallery.steps:
        called = [one for key, one in gallery.looks[step].items() if key[2]]
        known = {warning.code for warning in found}
        if "flat-samples" not in known and any(one.flat for one in called):
            found.append(_flat(step, sum(one.flat for one in called), len(called)))
        elif "diversity-lost" not in known and len(called) >= LEAST and diversity(called) < SHARE * allowed:
            found.append(_lost(step, diversity(called), allowed))
    return found


def _allowed(gallery: Gallery, training: tuple[TrainingPicture, ...]) -> float:
    """That of the base's samples, or of the training pictures where they are more alike, as a subject's are."""
    base = [one for key, one in gallery.base.items() if key[2]]
    if len(base) < LEAST:
        return 0.0
    pictures = [look(picture.path) for picture in training]
    return min(diversity(base), diversity(pictures)) if len(pictures) >= LEAST else diversity(base)


def _lost(step: int, found: float, allowed: float) -> WatchWarning:
    return WatchWarning(
        "diversity-lost",
        step,
        f"Samples of different prompts are only {found / allowed:.0%} as different from each other as they should be.",
        "The adapter draws one picture for every prompt: it has learned too much of too few.",
        "Take an earlier checkpoint, or train with more varied pictures, a lower rank or fewer steps.",
        {"diversity": found, "expected": allowed},
    )


def _flat(step: int, flat: int, count: int) -> WatchWarning:
    return WatchWarning(
        "flat-samples",
        step,
        f"{flat} of {count} samples with the trigger word are one single tone.",
        "The weights have run away.",
        "Take an earlier checkpoint, and train again with a lower learning rate.",
        {"flat": flat, "samples": count},
    )
