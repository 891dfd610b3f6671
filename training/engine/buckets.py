"""Aspect-ratio buckets: sizes of about one area, so that pictures of any shape are trained without distortion.

Source of the scheme: NovelAI's improvements on Stable Diffusion (2022), as kohya's trainer has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WIDEST = 2.0  # width : height of the widest bucket, and the inverse of the tallest


@dataclass(frozen=True, order=True)
class Bucket:
    """A size in pixels."""

    width: int
    height: int

    @property
    def ratio(self) -> float:
        return self.width / self.height


@dataclass(frozen=True)
class Fit:
    """How a picture is brought into its bucket: scaled until it covers it, then cropped around its middle."""

    original: Bucket
    scaled: Bucket
    left: int
    top: int
    bucket: Bucket


def bucket_sizes(resolution: int, step: int, *, many: bool) -> tuple[Bucket, ...]:
    """All buckets whose sides are multiples of `step` and whose area is at most resolution²; one square without `many`.

    Raises ValueError where not even a square of one step fits.
    """
    side = resolution // step * step
    if side < step or step < 1:
        raise ValueError(f"no square of {resolution} pixels has sides that are multiples of {step}")
    found = {Bucket(side, side)}
    if many:
        for width in range(step, int(resolution * math.sqrt(WIDEST)) + 1, step):
            height = resolution * resolution // width // step * step
            if height and 1 / WIDEST <= width / height <= WIDEST:
                found |= {Bucket(width, height), Bucket(height, width)}
    return tuple(sorted(found))


def nearest(width: int, height: int, sizes: tuple[Bucket, ...]) -> Bucket:
    """The bucket whose shape is nearest to the picture's; the larger one of two that are alike."""
    wanted = math.log(width / height)
    return min(sizes, key=lambda one: (abs(math.log(one.ratio) - wanted), -one.width * one.height, one))


def fit(width: int, height: int, bucket: Bucket) -> Fit:
    """The scaling and the crop of a picture of this size."""
    scale = max(bucket.width / width, bucket.height / height)
    scaled = Bucket(max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale)))
    left, top = (scaled.width - bucket.width) // 2, (scaled.height - bucket.height) // 2
    return Fit(Bucket(width, height), scaled, left, top, bucket)
