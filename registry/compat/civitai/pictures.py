"""Pictures as Civitai's clients see them: previews that the house rendered, and what uploaders attached.

Civitai names a picture by a number. Ours have UUIDs, so the number is a picture's first 53 bits: as many as every JSON
reader keeps exactly, and enough that two pictures never share one by chance.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from registry.compat.civitai.words import NSFW_LEVELS, NSFW_WORDS, base_model_name
from registry.models import SamplePicture, VersionImage
from registry.models.adapters import ContentLevel
from registry.models.samples import SampleKind
from registry.picture_settings import PictureSettings, settings_of
from registry.selectors.visibility import Actor, images_readable_by, samples_readable_by
from registry.states import VersionState

BITS = 53


@dataclass(frozen=True)
class Picture:
    """A picture with its place in the order of time."""

    row: VersionImage | SamplePicture
    made_at: datetime
    settings: PictureSettings | None = None  # of an attached one that was made here

    @property
    def version_id(self) -> int:
        return self.row.version_id

    @property
    def key(self) -> tuple[datetime, uuid.UUID]:
        return self.made_at, self.row.pk


@dataclass(frozen=True)
class Wanted:
    """Which pictures; empty fields do not narrow."""

    adapter: int | None = None
    version: int | None = None
    owner: str = ""
    levels: tuple[str, ...] = ()
    since: datetime | None = None


def number_of(pk: uuid.UUID) -> int:
    """The first 53 bits."""
    return pk.int >> (128 - BITS)


def pictures_of(*, actor: Actor, versions: Sequence[int]) -> list[Picture]:
    """All pictures of these versions that `actor` may see, previews first, the strongest of each row in front."""
    images = images_readable_by(actor).filter(version__in=versions).order_by("row", "-strength")
    samples = _samples(actor).filter(version__in=versions)
    related = ("version__adapter__owner", "version__base_model")
    found = [Picture(row, row.created_at) for row in images.select_related(*related)]
    return found + _told([Picture(row, row.added_at) for row in samples.select_related(*related)])


def pictures_page(
    *, actor: Actor, wanted: Wanted, rising: bool, place: tuple[datetime, uuid.UUID] | None, most: int
) -> list[Picture]:
    """The next `most` pictures by time and id, of published versions, behind a place if that is given."""
    found = [
        *_next(images_readable_by(actor), "created_at", wanted, rising, place, most),
        *_next(_samples(actor), "added_at", wanted, rising, place, most),
    ]
    return _told(sorted(found, key=lambda picture: picture.key, reverse=not rising)[:most])


def _told(pictures: Sequence[Picture]) -> list[Picture]:
    """The same with how the attached ones were made, where that is known."""
    known = settings_of([picture.row.pk for picture in pictures if isinstance(picture.row, SamplePicture)])
    return [replace(picture, settings=known.get(picture.row.pk)) for picture in pictures]


def _samples(actor: Actor) -> QuerySet[SamplePicture]:
    """What people attached as made with it; training pictures are no gallery."""
    return samples_readable_by(actor).filter(kind=SampleKind.EXAMPLE)


def _next(
    rows: QuerySet[Any], moment: str, wanted: Wanted, rising: bool, place: tuple[datetime, uuid.UUID] | None, most: int
) -> Iterator[Picture]:
    rows = rows.filter(_narrowed(wanted, moment), version__state=VersionState.PUBLISHED)
    if place is not None:
        beyond = "gt" if rising else "lt"
        rows = rows.filter(Q(**{f"{moment}__{beyond}": place[0]}) | Q(**{moment: place[0], f"pk__{beyond}": place[1]}))
    order = (F(moment).asc(), F("pk").asc()) if rising else (F(moment).desc(), F("pk").desc())
    related = ("version__adapter__owner", "version__base_model")
    for row in rows.select_related(*related).order_by(*order)[:most]:
        yield Picture(row, getattr(row, moment))


def _narrowed(wanted: Wanted, moment: str) -> Q:
    conditions = {
        "version__adapter": wanted.adapter,
        "version": wanted.version,
        "version__adapter__owner__slug": wanted.owner or None,
        "version__adapter__content_level__in": wanted.levels or None,
        f"{moment}__gte": wanted.since,
    }
    return Q(**{name: value for name, value in conditions.items() if value is not None})


def picture_json(picture: Picture, root: str) -> dict[str, Any]:
    """A picture inside a version."""
    row = picture.row
    level = row.version.adapter.content_level
    return {
        "id": number_of(row.pk),
        "url": url_of(row, root),
        "nsfwLevel": NSFW_LEVELS[level],
        "width": row.width,
        "height": row.height,
        "hash": row.blurhash or None,
        "type": "image",
        "meta": (meta := meta_of(picture)),
        "hasMeta": meta is not None,
    }


def listed_picture_json(picture: Picture, root: str, made_at: str | None) -> dict[str, Any]:
    """An item of `/images`. A version's pictures are one post."""
    row = picture.row
    version = row.version
    level = version.adapter.content_level
    return {
        **picture_json(picture, root),
        "nsfw": level == ContentLevel.MATURE,
        "nsfwLevel": NSFW_WORDS[level],
        "browsingLevel": NSFW_LEVELS[level],
        "createdAt": made_at,
        "postId": version.pk,
        "username": version.adapter.owner.slug,
        "baseModel": base_model_name(version.base_model),
        "modelVersionIds": [version.pk],
        "stats": dict.fromkeys(("cryCount", "laughCount", "likeCount", "heartCount", "commentCount"), 0),
    }


def url_of(row: VersionImage | SamplePicture, root: str) -> str:
    """Where its bytes are, for who may see it."""
    folder = "images" if isinstance(row, VersionImage) else "pictures"
    return f"{root}/{folder}/{row.pk}.png"


def meta_of(picture: Picture) -> dict[str, Any] | None:
    """What made the picture, in the words of the field; None for what was brought, whose metadata are left out."""
    row, version = picture.row, picture.row.version
    if isinstance(row, VersionImage):
        resource = {"type": "lora", "name": version.adapter.name, "weight": row.strength, "modelVersionId": version.pk}
        settings: VersionImage | PictureSettings = row
        resources, negative = [resource] if row.strength else [], row.negative_prompt
    elif picture.settings is not None:
        settings, negative = picture.settings, picture.settings.negative
        resources = [
            {"type": "lora", "name": used.name, "weight": used.weight, "modelVersionId": used.version}
            for used in picture.settings.adapters
        ]
    else:
        return None
    return {
        "prompt": settings.prompt,
        "negativePrompt": negative,
        "seed": settings.seed,
        "steps": settings.steps,
        "sampler": settings.sampler or None,
        "cfgScale": settings.guidance,
        "Size": f"{settings.width}x{settings.height}",
        "Model": base_model_name(version.base_model),
        "resources": resources,
    }
