"""Pictures as the detectors take them, and what is raised where one, or a detector, cannot be used."""

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 100_000_000  # of the file; beyond it nothing is decoded


class PictureUnreadable(Exception):
    """The picture cannot be looked at; the message says why and what to do. It is never a pass."""


class PartMissing(Exception):
    """A detector or its weights are not installed; the message says which package brings them. It is never a pass."""


GREY = (127, 127, 127)


def upright(picture: Image.Image, *, ground: tuple[int, int, int] = GREY) -> Image.Image:
    """The picture as a person sees it: turned as its EXIF says, on `ground` where it is transparent, in RGB.

    PictureUnreadable where it has more than MAX_PIXELS or cannot be decoded.
    """
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureUnreadable(
            f"The picture has {picture.width} × {picture.height} pixels, more than {MAX_PIXELS // 10**6} million. "
            "Make it smaller."
        )
    try:
        turned = ImageOps.exif_transpose(picture)
        if turned.has_transparency_data:
            layers = turned.convert("RGBA")
            below = Image.new("RGBA", layers.size, (*ground, 255))
            return Image.alpha_composite(below, layers).convert("RGB")
        return _eight_bits(turned).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureUnreadable(f"The picture cannot be decoded ({error}). Save it anew and try again.") from error


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 or 32 bits, which a plain conversion would clip, brought to eight."""
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return picture
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8))
