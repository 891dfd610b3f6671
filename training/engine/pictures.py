"""Training pictures: which bucket each goes into, and its pixels as the autoencoder wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from training.engine.buckets import Bucket, Fit, fit, nearest
from training.engine.errors import TrainingError
from training.engine.jobs import Item


@dataclass(frozen=True)
class Picture:
    """A picture of the data set with its place in a bucket."""

    item: Item
    fit: Fit

    @property
    def bucket(self) -> Bucket:
        return self.fit.bucket


def placed(items: Sequence[Item], sizes: tuple[Bucket, ...]) -> list[Picture]:
    """Every item with its bucket. Raises TrainingError for a file that is no picture."""
    found = []
    for item in items:
        width, height = _size(item)
        found.append(Picture(item, fit(width, height, nearest(width, height, sizes))))
    return found


def _size(item: Item) -> tuple[int, int]:
    try:
        with Image.open(item.path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise unreadable(item, error) from error


def unreadable(item: Item, error: Exception) -> TrainingError:
    return TrainingError(
        "A training picture cannot be read.",
        f"{item.path.name}: {error}.",
        "Upload the picture again, or leave it out of the data set.",
        "picture-unreadable",
    )


def pixels_of(picture: Picture, *, flip: bool) -> Tensor:
    """(3, height, width) float32 in -1..1: scaled, cropped, mirrored if asked."""
    where = picture.fit
    try:
        with Image.open(picture.item.path) as image:
            scaled = image.convert("RGB").resize((where.scaled.width, where.scaled.height), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError) as error:
        raise unreadable(picture.item, error) from error
    box = (where.left, where.top, where.left + where.bucket.width, where.top + where.bucket.height)
    pixels = np.asarray(scaled.crop(box), dtype=np.float32) / 127.5 - 1
    if flip:
        pixels = pixels[:, ::-1]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
