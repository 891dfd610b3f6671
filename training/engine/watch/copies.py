"""Near-copies: samples that are training pictures again, found as the opt-out register finds copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from moderation.matching.pictures import Description, PictureUnusable, Query, describe, examine, verify
from training.engine.watch.looks import Vector
from training.engine.watch.records import Sample, TrainingPicture, WatchWarning

THUMB = 32  # pixels
NEAR = 0.12  # root mean square difference of the thumbnails, of 1, up to which a match is a near-copy
ALIKE = (
    0.85  # correlation of the thumbnails that takes the place of a match where noise or few shapes hide the structure
)


@dataclass(frozen=True)
class Copy:
    """A sample that is a training picture again. `difference`: of their colour thumbnails, 0 to 1."""

    step: int
    prompt: str
    seed: int
    digest: str
    difference: float


def copies_at(samples: Sequence[Sample], training: Sequence[TrainingPicture]) -> list[Copy]:
    """Every sample of the adapter that is nearly a training picture, and is not so in the base's own samples.

    Two conditions. Colour thumbnails are near each other; and either the register's matching finds the same structure,
    or the thumbnails' details correlate: hashes and features say little of a small picture with a few large shapes and
    some noise. A sample of one single tone is nobody's copy.
    """
    natural = {key for sample in samples if sample.step == 0 for key in _matches(sample, training)}
    return [
        Copy(sample.step, sample.prompt, sample.seed, digest, difference)
        for sample in samples
        if sample.step > 0
        for (_, _, digest), difference in _matches(sample, training).items()
        if (sample.prompt, sample.seed, digest) not in natural
    ]


def copied(samples: Sequence[Sample], training: Sequence[TrainingPicture]) -> list[WatchWarning]:
    """One warning for each step that has near-copies; the facts name the nearest."""
    by_step: dict[int, list[Copy]] = {}
    for copy in copies_at(samples, training):
        by_step.setdefault(copy.step, []).append(copy)
    return [_warning(step, found) for step, found in sorted(by_step.items())]


def _matches(sample: Sample, training: Sequence[TrainingPicture]) -> dict[tuple[str, int, str], float]:
    query = _query(*_key(sample.path))
    if query is None:
        return {}
    found: dict[tuple[str, int, str], float] = {}
    for picture in training:
        difference, alike = _thumbnails(_key(sample.path), _key(picture.path))
        if difference > NEAR:
            continue
        work = _description(*_key(picture.path))
        if work is not None and (alike >= ALIKE or verify(work, query).matched):
            found[(sample.prompt, sample.seed, picture.digest)] = difference
    return found


def _warning(step: int, found: list[Copy]) -> WatchWarning:
    nearest = min(found, key=lambda copy: copy.difference)
    many = len({(copy.prompt, copy.seed) for copy in found})
    return WatchWarning(
        "near-copy",
        step,
        f"{many} sample{'s are' if many > 1 else ' is'} nearly a training picture.",
        "The adapter has learned these pictures by heart and would hand them out.",
        "Take an earlier checkpoint, remove duplicates from the data set, and describe each picture in its caption.",
        {
            "samples": many,
            "prompt": nearest.prompt,
            "seed": nearest.seed,
            "picture": nearest.digest,
            "difference": nearest.difference,
        },
    )


FileKey = tuple[Path, int, int]  # path, time of the last change, bytes


def _key(path: Path) -> FileKey:
    status = path.stat()
    return path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4096)
def _thumbnail(path: Path, _changed: int, _size: int) -> Vector:
    with Image.open(path) as file:
        small = file.convert("RGB").resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def _thumbnails(left: FileKey, right: FileKey) -> tuple[float, float]:
    """Root mean square difference of the thumbnails, and the correlation of what differs from their mean colours;
    as they are or mirrored, whichever is nearer."""
    one, other = _thumbnail(*left), _thumbnail(*right)
    view = min((other, other[:, ::-1]), key=lambda some: float(np.square(one - some).mean()))
    detail, details = one - one.mean(axis=(0, 1)), view - view.mean(axis=(0, 1))
    size = float(np.sqrt(np.square(detail).sum() * np.square(details).sum()))
    return float(np.sqrt(np.square(one - view).mean())), float((detail * details).sum()) / max(size, 1e-9)


@lru_cache(maxsize=1024)
def _query(path: Path, _changed: int, _size: int) -> Query | None:
    with Image.open(path) as file:
        try:
            return examine(file)
        except PictureUnusable:
            return None


@lru_cache(maxsize=1024)
def _description(path: Path, _changed: int, _size: int) -> Description | None:
    with Image.open(path) as file:
        try:
            return describe(file)
        except PictureUnusable:
            return None
