"""Uploaded pictures of works: checked before anything is worked out from them, and kept, sealed, only until it is."""

import hashlib
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from registry.pictures import picture_open
from registry.sealing import seal, unseal

BYTES_TOGETHER, PIXELS_TOGETHER = 60 * 1024**2, 120_000_000  # of one registration: all are in memory, and decoded
THUMBNAIL = 320  # pixels of the longer side


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
