"""How the pictures of a set fall into the trainer's own aspect-ratio buckets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from training.engine.buckets import WIDEST, bucket_sizes, nearest

__all__ = ["WIDEST", "BucketCount", "buckets_of"]


@dataclass(frozen=True, order=True)
class BucketCount:
    """Pixels of a bucket, and how many pictures fall into it."""

    width: int
    height: int
    pictures: int


def buckets_of(sizes: Sequence[tuple[int, int]], *, side: int, step: int) -> tuple[BucketCount, ...]:
    """Every bucket that has pictures, the fullest first; `sizes` are (width, height) in pixels."""
    known = bucket_sizes(side, min(step, side), many=True)
    counted = Counter(nearest(width, height, known) for width, height in sizes)
    rows = [BucketCount(bucket.width, bucket.height, count) for bucket, count in counted.items()]
    return tuple(sorted(rows, key=lambda one: (-one.pictures, one.width, one.height)))
