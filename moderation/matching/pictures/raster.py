"""From a decoded picture to the grey raster that hashes and keypoints are taken from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

if TYPE_CHECKING:
    from PIL import Image

SIDE = 640  # pixels of the longer side that keypoints are looked for in; larger pictures are made smaller
LEAST = 24  # pixels of the shorter side; below it there is nothing to recognise
FLATTEST = 1.0  # standard deviation of the grey levels; below it a hash is the noise of the encoder
Grey = NDArray[np.uint8]


class PictureUnusable(Exception):
    """The picture cannot be matched: too small or one single tone. The message says which, and what would help."""


def upright(picture: Image.Image) -> Image.Image:
    """The picture as a person sees it: turned by its EXIF orientation, transparency on white, RGB.

    Raises PictureUnusable for pictures too small or too flat to tell one from another.
    """
    if min(picture.size) < LEAST:
        raise PictureUnusable(
            f"The picture measures {picture.width} × {picture.height} pixels; matching needs at least {LEAST} on each"
            " side. Send a larger copy."
        )
    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I") or turned.mode == "F":
        turned = _eight_bits(turned)
    if turned.has_transparency_data:
        layer = turned.convert("RGBA")
        turned = layer.copy()
        turned.paste("white", (0, 0, *layer.size))
        turned.alpha_composite(layer)
    colour = turned.convert("RGB")
    _refuse_flat(colour)
    return colour


def grey(picture: Image.Image, side: int = SIDE) -> Grey:
    """Luminance [height, width] with the longer side at most `side`; small pictures keep their size."""
    luminance = picture.convert("L")
    luminance.thumbnail((side, side), reducing_gap=3.0)
    return np.asarray(luminance)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit and float greys stretched to 0..255; Pillow's own conversion would clip them."""
    from PIL import Image

    levels = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    low, high = float(levels.min()), float(levels.max())
    return Image.fromarray(((levels - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8))


def _refuse_flat(colour: Image.Image) -> None:
    small = np.asarray(colour.convert("L").resize((32, 32)), dtype=np.float32)
    if float(small.std()) < FLATTEST:
        raise PictureUnusable(
            "The picture is one single tone, like any other of that tone. Send one that shows something."
        )
