"""Whether something is a copy of what was removed: by the digest of its file or tensors, or by looking at a picture."""

import hashlib
import io
from typing import Any

from django.db.models import Q, QuerySet

from moderation.models import Block, BlockKind

# Picture blocks up to this number are compared one by one; of more only those whose hashes come near.
COMPARED_ALL = 200
NEAR = (
    24  # of 64 bits: two unrelated pictures differ by 32 in the mean, a crop seen through its window by fewer than 16
)


def blocks_in_force() -> QuerySet[Block]:
    """What has not been lifted."""
    return Block.objects.filter(lifted_at__isnull=True)


def blocked_copy(
    *, sha256: str = "", tensors_digest: str = "", picture: bytes | None = None, sent: str = "", query: Any = None
) -> Block | None:
    """The block that stands against a file, its tensors or a picture; None where none does.

    `picture` is an encoded picture, `sent` the SHA-256 of the file that it was made from, where that is gone, and
    `query` what was worked out of it before (`examine`).
    Near-identical copies of blocked ones are found too, which loads the picture matching: call it with one from a task
    only. Raises DescriptionInvalid where a block cannot be read, and OSError for
    bytes that are no picture: a check that fails is no pass.
    """
    asked = Q()
    if sha256:
        asked |= Q(kind=BlockKind.FILE, value=sha256)
    if tensors_digest:
        asked |= Q(kind=BlockKind.TENSORS, value=tensors_digest)
    if picture is not None:
        asked |= Q(kind=BlockKind.PICTURE, value__in=[hashlib.sha256(picture).hexdigest(), *filter(None, [sent])])
    found = blocks_in_force().filter(asked).order_by("pk").first() if asked else None
    return found or (_resembling(picture, query) if picture is not None else None)


def blocked_version(version_id: int) -> Block | None:
    """The block that came from this version: what has nearly its weights is a copy of something removed."""
    return blocks_in_force().filter(version_id=version_id).order_by("pk").first()


def _resembling(picture: bytes, query: Any) -> Block | None:
    """The first picture block that shows the same, cropped, turned, recompressed or written over."""
    described = blocks_in_force().filter(kind=BlockKind.PICTURE).exclude(features=b"")
    count = described.count()
    if count == 0:
        return None
    from PIL import Image

    from moderation.matching.pictures.description import examine
    from moderation.matching.pictures.raster import PictureUnusable

    try:
        if query is None:
            with Image.open(io.BytesIO(picture)) as opened:
                query = examine(opened)
    except PictureUnusable:
        return None  # too small or of one tone: nothing in it to recognise, and its digest was looked up
    for block in described.order_by("pk").iterator(chunk_size=100):
        if _same(block, query, everything=count <= COMPARED_ALL):
            return block
    return None


def _same(block: Block, query: Any, *, everything: bool) -> bool:
    from moderation.matching.pictures.description import Description
    from moderation.matching.pictures.hashes import distances
    from moderation.matching.pictures.verify import verify

    known = Description.from_bytes(bytes(block.features))
    if not everything and int(distances(known.phashes, query.phashes).min()) > NEAR:
        return False
    return verify(known, query).matched
