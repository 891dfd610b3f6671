"""What happens to a picture between its maker and a data set: the changes that matching is measured with."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

Change = Callable[[Image.Image, int], Image.Image]


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    return picture.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


def halved(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


def written(picture: Image.Image, seed: int) -> Image.Image:
    """Two lines of text across the picture and a mark in the corner, white with a black rim."""
    copy = picture.copy()
    draw, font = ImageDraw.Draw(copy), ImageFont.load_default(max(10, picture.width // 14))
    for share in (0.12, 0.78):
        place = (picture.width * 0.06, picture.height * share)
        draw.text(place, f"when you see it · {seed:x}", "white", font, stroke_width=2, stroke_fill="black")
    draw.text((picture.width * 0.7, picture.height * 0.93), "@reposts", "yellow", font)
    return copy


def noisy(picture: Image.Image, seed: int) -> Image.Image:
    grain = np.random.default_rng(seed).normal(0, 12, (picture.height, picture.width, 3))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BICUBIC)


def brighter(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def reposted(picture: Image.Image, seed: int) -> Image.Image:
    return jpeg(written(halved(cropped(picture, 0.10)), seed), 40)


CHANGES: dict[str, Change] = {
    "unchanged": lambda picture, seed: picture,
    "JPEG q30": lambda picture, seed: jpeg(picture, 30),
    "half size": lambda picture, seed: halved(picture),
    "crop 10 % each side": lambda picture, seed: cropped(picture, 0.10),
    "crop 20 % each side": lambda picture, seed: cropped(picture, 0.20),
    "mirrored": lambda picture, seed: ImageOps.mirror(picture),
    "turned 90°": lambda picture, seed: picture.transpose(Image.Transpose.ROTATE_90),
    "turned 180°": lambda picture, seed: picture.transpose(Image.Transpose.ROTATE_180),
    "turned 270°": lambda picture, seed: picture.transpose(Image.Transpose.ROTATE_270),
    "turned 5°": lambda picture, seed: turned(picture, 5),
    "turned 10°": lambda picture, seed: turned(picture, 10),
    "brighter by 40 %": lambda picture, seed: brighter(picture, 1.4),
    "darker by 40 %": lambda picture, seed: brighter(picture, 0.6),
    "greyscale": lambda picture, seed: ImageOps.grayscale(picture).convert("RGB"),
    "text over it": written,
    "noise σ 12": noisy,
    "repost": reposted,
}
