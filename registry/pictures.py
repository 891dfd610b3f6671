"""Pictures that people send: decoded safely and to their end, and made fit to be shown."""

import io
import struct
import warnings
import zlib

import blurhash
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

FORMATS = ("JPEG", "PNG", "WEBP")
BYTES_MAX = 15 * 1024**2
PIXELS_MAX = 40_000_000
SIDE_MAX = 20_000
SHOWN = 1536  # pixels of the longer side
SMALLER = "Send a smaller copy: its look is what counts."
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error, zlib.error)


class PictureRefused(ValueError):
    """No picture that can be taken; the message says why and what to send."""


def picture_open(content: bytes, *, most: int = BYTES_MAX) -> Image.Image:
    """Decode a JPEG, PNG or WebP picture of at most `most` bytes whole, its first frame; raises PictureRefused.

    The size is looked at before anything is decoded, and no other decoder of Pillow is asked.
    """
    if len(content) > most:
        raise PictureRefused(f"It is larger than {most // 1024**2} MiB. {SMALLER}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our limits are narrower than those that Pillow warns of
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            _check_size(*picture.size)
            picture.load()
    except Image.DecompressionBombError as error:
        raise PictureRefused(_too_large()) from error
    except Image.UnidentifiedImageError as error:
        raise PictureRefused("It is no JPEG, PNG or WebP picture. Save it as one of these.") from error
    except PictureRefused:
        raise
    except _BROKEN as error:
        raise PictureRefused("It is damaged and cannot be read to its end. Save it again and send that.") from error
    return picture


def _check_size(width: int, height: int) -> None:
    if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX:
        raise PictureRefused(_too_large())


def _too_large() -> str:
    return f"It has more than {PIXELS_MAX // 10**6} million pixels. {SMALLER}"


def shown_copy(picture: Image.Image, *, texts: PngInfo | None = None) -> tuple[bytes, tuple[int, int]]:
    """The picture upright as PNG with its pixels alone, and its size: no place, camera or author travels along.

    `texts` are the house's own words about a picture that it made.
    """
    upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((SHOWN, SHOWN))
    plain = Image.new("RGB", upright.size, "white")
    plain.paste(upright.convert("RGBA"), mask=upright.convert("RGBA").getchannel("A"))
    made = io.BytesIO()
    plain.save(made, "PNG", optimize=False, pnginfo=texts)
    return made.getvalue(), plain.size


def blurhash_of(picture: Image.Image) -> str:
    """The picture as a blur of 4 × 3 waves in 28 characters (github.com/woltapp/blurhash)."""
    small = ImageOps.exif_transpose(picture).convert("RGB").resize((32, 32))
    rows = [[small.getpixel((x, y)) for x in range(32)] for y in range(32)]
    encoded: str = blurhash.encode(rows, components_x=4, components_y=3)
    return encoded
