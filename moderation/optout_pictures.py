"""Uploaded pictures of works: checked before anything is worked out from them, and kept, sealed, only until it is."""

import hashlib
import io
import struct
import uuid
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from moderation.sealing import seal, unseal

FORMATS = ("JPEG", "PNG", "WEBP")
BYTES_MAX = 15 * 1024**2
PIXELS_MAX = 40_000_000
BYTES_TOGETHER, PIXELS_TOGETHER = 60 * 1024**2, 120_000_000  # of one registration: all are in memory, and decoded
SIDE_MAX = 20_000
SMALLER = "Send a smaller copy: its look is what counts."
THUMBNAIL = 320  # pixels of the longer side
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error, zlib.error)


class PictureRefused(ValueError):
    """No picture that can be taken; the message says why and what to send."""


@dataclass(frozen=True)
class CheckedPicture:
    """A picture that was decoded to its end; `title` is what its sender calls it."""

    content: bytes
    title: str = ""
    pixels: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def picture_check(content: bytes, *, title: str = "") -> CheckedPicture:
    """The picture, when it can be read safely and to its end; raises PictureRefused."""
    width, height = picture_open(content).size
    return CheckedPicture(content, title, width * height)


def picture_open(content: bytes) -> Image.Image:
    """Decode a JPEG, PNG or WebP picture whole, its first frame; raises PictureRefused.

    The size is looked at before anything is decoded, and no other decoder of Pillow is asked.
    """
    if len(content) > BYTES_MAX:
        raise PictureRefused(f"It is larger than {BYTES_MAX // 1024**2} MiB. {SMALLER}")
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


def thumbnail_sealed(picture: Image.Image, *, entry: uuid.UUID) -> bytes:
    """A small JPEG for moderators to compare by eye, without any of the metadata, sealed."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    made = io.BytesIO()
    small.convert("RGB").save(made, "JPEG", quality=80)
    return seal(made.getvalue(), context=_thumbnail_of(entry))


def thumbnail_unsealed(sealed: bytes, *, entry: uuid.UUID) -> bytes:
    return unseal(sealed, context=_thumbnail_of(entry))


def _thumbnail_of(entry: uuid.UUID) -> str:
    return f"opt-out thumbnail {entry}"


def picture_store(*, content: bytes, picture_id: uuid.UUID) -> str:
    """Keep the picture sealed until it is prepared; answers where."""
    sealed = seal(content, context=f"opt-out picture {picture_id}")
    return default_storage.save(f"optout/{picture_id}", ContentFile(sealed))


def picture_load(*, key: str, picture_id: uuid.UUID) -> bytes:
    with default_storage.open(key, "rb") as file:
        return unseal(file.read(), context=f"opt-out picture {picture_id}")


def picture_discard(key: str) -> None:
    default_storage.delete(key)


def pictures_discard(keys: Iterable[str]) -> None:
    for key in filter(None, keys):
        picture_discard(key)
