"""A picture made fit for training, and what is measured of it. For workers: it decodes.

Everything else works with the numbers that come out of here.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from moderation.matching.decoding import PictureUnreadable, upright
from moderation.matching.pictures.hashes import phash, to_hex

WHITE = (255, 255, 255)
SHARPNESS_SIDE = 512  # pixels of the longer side at which sharpness is measured, so that pictures compare
THUMB_SIDE = 384
COLOURS_SIDE = 8
QUALITY = 95  # of JPEG, without chroma subsampling: for what was lossy already


@dataclass(frozen=True)
class Prepared:
    """What is kept of a picture: pixels alone, upright, RGB in sRGB; and its measures.

    `width`, `height` in pixels of the upright original, whose pixels may have been more than are kept.
    """

    content: bytes
    ending: str  # png or jpg
    thumb: bytes  # PNG
    width: int
    height: int
    sharpness: float
    phash: str  # 16 hexadecimal digits
    colours: bytes  # 8 × 8 RGB means, 192 bytes


def prepare(picture: Image.Image, *, side: int) -> Prepared:
    """Prepare a decoded picture; its longer side becomes at most `side` pixels. Raises PictureUnreadable."""
    lossy = picture.format == "JPEG" or (picture.format == "WEBP" and not picture.info.get("lossless"))
    plain = upright(_in_srgb(picture), ground=WHITE)
    width, height = plain.size
    kept = plain.copy()
    kept.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Prepared(
        content=_encoded(kept, lossy=lossy),
        ending="jpg" if lossy else "png",
        thumb=_thumb(kept),
        width=width,
        height=height,
        sharpness=sharpness(kept),
        phash=to_hex(phash(_square(kept)))[0],
        colours=colours(kept),
    )


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture's colours by its own profile, where it has one that can be used: phones save in Display P3."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "CMYK", "L"}:
        return picture
    wanted = "L" if picture.mode == "L" else "RGB"
    if wanted == "L":
        return picture
    try:
        converted = ImageCms.profileToProfile(
            picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode=wanted
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a profile that does not fit: the numbers are taken as they are, as every viewer does
    if converted is None:
        return picture
    converted.info = {key: value for key, value in picture.info.items() if key != "icc_profile"}
    return converted


def _encoded(picture: Image.Image, *, lossy: bool) -> bytes:
    made = io.BytesIO()
    clean = Image.new("RGB", picture.size)
    clean.paste(picture)  # a picture of its own: nothing of `info` travels along
    if lossy:
        clean.save(made, "JPEG", quality=QUALITY, subsampling=0)
    else:
        clean.save(made, "PNG")
    return made.getvalue()


def _thumb(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _encoded(small, lossy=False)


def sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian of the luminance (Pech-Pacheco et al. 2000), at most 512 pixels on the longer side."""
    grey = picture.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    levels: NDArray[np.float64] = np.asarray(grey, dtype=np.float64)
    if min(levels.shape) < 3:
        return 0.0
    inner = levels[1:-1, 1:-1]
    edges = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:] - 4 * inner
    return round(float(edges.var()), 2)


def _square(picture: Image.Image) -> NDArray[np.float32]:
    """[1, 32, 32]: what pHash is taken from, the whole picture squeezed into a square."""
    small = picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32)[None]


def colours(picture: Image.Image) -> bytes:
    """The mean colours of 8 × 8 fields, 192 bytes."""
    small = picture.convert("RGB").resize((COLOURS_SIDE, COLOURS_SIDE), Image.Resampling.BOX)
    return small.tobytes()


__all__ = ["PictureUnreadable", "Prepared", "colours", "prepare", "sharpness"]
