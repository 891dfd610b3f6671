"""Traces of pictures: kept when a picture is looked at, before anybody compares it, and gone with the picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from moderation.models import PictureTrace
from registry.models import Version

if TYPE_CHECKING:
    from moderation.matching.pictures import Query
    from moderation.screening.subject import Pictured


def trace_keep(*, version: Version, picture: Pictured, query: Query | None) -> None:
    """Keep what later works are compared with; of a picture that shows nothing (None) its digests alone.

    Outside of any longer transaction: what is compared afterwards counts on it being there for others to see.
    """
    from moderation.matching.pictures.traces import Trace

    trace = Trace.of(query) if query is not None else Trace()
    PictureTrace.objects.update_or_create(
        picture=picture.key,
        defaults={
            "version": version,
            "sent": bytes.fromhex(picture.sha256),
            "content": hashlib.sha256(picture.content).digest(),
            "hashes": trace.hashes,
            "described": trace.described,
        },
    )


def faces_keep(faces: Mapping[str, int]) -> None:
    """How many faces were found in these pictures: where there are none, nobody has to look for any again."""
    for count in set(faces.values()):
        pictures = [key for key, found in faces.items() if found == count]
        PictureTrace.objects.filter(picture__in=pictures).update(faces=count)
