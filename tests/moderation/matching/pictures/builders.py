"""Pictures drawn from a seed: paintings with many details, and signs with none but their outline."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (360, 300)


def painting(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Strokes, discs and blocks in many colours."""
    dice = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(dice.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for number in range(260):
        (x, y), (right, down) = dice.integers(0, size), dice.integers(4, 50, 2)
        box, colour = (int(x), int(y), int(x + right), int(y + down)), tuple(dice.integers(0, 256, 3).tolist())
        (draw.ellipse, draw.rectangle, draw.line)[number % 3](box, fill=colour)
    return picture


def sign(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """One polygon of five corners on a plain ground."""
    dice = np.random.default_rng(seed)
    picture = Image.new("RGB", size, (250, 240, 220))
    turns = np.sort(dice.uniform(0, 2 * np.pi, 5))
    reach = dice.uniform(0.2, 0.45, 5) * min(size)
    corners = [
        (float(size[0] / 2 + length * np.cos(turn)), float(size[1] / 2 + length * np.sin(turn)))
        for turn, length in zip(turns, reach, strict=True)
    ]
    ImageDraw.Draw(picture).polygon(corners, fill=(30, 60, 120))
    return picture


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """The picture with `share` of its width and height cut off each side."""
    width, height = picture.size
    return picture.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


def captioned(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    draw, font = ImageDraw.Draw(copy), ImageFont.load_default(copy.width // 16)
    for line in range(3):
        place = (copy.width // 30, copy.height * (1 + 4 * line) // 13)
        draw.text(place, "when it is not yours at all", "white", font, stroke_width=2, stroke_fill="black")
    return copy
