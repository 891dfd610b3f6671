"""What comes of a picture: stored, looked at, let out or withheld; cancelled, deleted."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.erasure import NOWHERE
from accounts.models import User
from governance.services import audit_append, audited
from inference.errors import JobConflict
from inference.generation_states import DRAWN_NEXT, OPEN, PictureState
from inference.models import Generation, GenerationBatch, GenerationPicture
from inference.services.generation_leasing import generations_settle, held
from inference.signals import picture_drawn
from registry.storage import store_bytes

SUBJECT = "inference.generation"
MAX_LOOKS = 3  # of one picture, whose worker was gone each time
SWEEP = 50


def picture_store(*, token: uuid.UUID, picture: GenerationPicture, content: bytes, facts: Mapping[str, Any]) -> bool:
    """Keep the drawn and marked picture for its checks, unless another worker has it by now or it was cancelled."""
    digest = hashlib.sha256(content).hexdigest()
    key = f"generated/{picture.generation_id}/{picture.pk}-{digest[:16]}.png"
    store_bytes(content=content, key=key)
    with transaction.atomic():
        mine = held(token).filter(pk=picture.pk, cancel_requested=False).select_for_update(no_key=True)
        row = mine.first()
        if row is not None:
            GenerationPicture.objects.filter(pk=picture.pk).update(
                state=PictureState.CHECKING, storage_key=key, sha256=digest, preview_key="", lease_token=None,
                lease_until=None, **facts,
            )  # fmt: skip
            transaction.on_commit(partial(previews_delete, picture))
            transaction.on_commit(lambda: picture_drawn.send(sender=GenerationPicture, picture_id=str(picture.pk)))
    if row is None:
        default_storage.delete(key)
    return row is not None


def preview_store(*, token: uuid.UUID, pk: str, step: int, content: bytes) -> None:
    """Keep the picture as it looks by now, for its user alone.

    The one before it stays until the drawing ends: a page may be fetching it at this moment.
    """
    row = held(token).filter(pk=pk).first()
    if row is None:
        return
    key = f"{_preview_place(row)}/{step}-{uuid.uuid4().hex[:8]}.png"
    store_bytes(content=content, key=key)
    if not held(token).filter(pk=pk).update(preview_key=key):
        files_delete([key])


def _preview_place(picture: GenerationPicture) -> str:
    return f"generated/{picture.generation_id}/{picture.pk}-steps"


def previews_delete(picture: GenerationPicture) -> None:
    """Delete every intermediate picture of it, those of workers that died as well."""
    place = _preview_place(picture)
    try:
        _, names = default_storage.listdir(place)
    except FileNotFoundError:  # it never had one
        return
    files_delete(f"{place}/{name}" for name in names)


def look_lease(*, picture_id: str) -> GenerationPicture | None:
    """Claim a drawn picture for its checks; None where somebody else looks at it, or nothing is left to look at."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    waiting = GenerationPicture.objects.filter(free, pk=picture_id, state=PictureState.CHECKING)
    claimed = waiting.update(
        lease_token=uuid.uuid4(), lease_until=now + settings.JOB_LEASE, check_attempts=F("check_attempts") + 1
    )
    if not claimed:
        return None
    return GenerationPicture.objects.select_related("generation__user__namespace", "generation__base_model").get(
        pk=picture_id
    )


def look_renew(*, picture: GenerationPicture) -> bool:
    mine = _looked_at(picture)
    return bool(mine.update(lease_until=timezone.now() + settings.JOB_LEASE))


def _looked_at(picture: GenerationPicture) -> Any:
    return GenerationPicture.objects.filter(pk=picture.pk, lease_token=picture.lease_token, state=PictureState.CHECKING)


@audited()
def look_conclude(*, picture: GenerationPicture, codes: Sequence[str], problem: Mapping[str, Any]) -> None:
    """Show the picture to its user, or withhold it: then its file is deleted, and its codes stay."""
    ended: dict[str, Any] = {"lease_token": None, "lease_until": None, "finished_at": timezone.now()}
    ended["checks"] = list(codes)
    if problem:
        ended |= {"state": PictureState.WITHHELD, "problem": dict(problem), "storage_key": "", "blurhash": ""}
    else:
        ended |= {"state": PictureState.DONE}
    if not _looked_at(picture).update(**ended):
        return
    if problem:
        transaction.on_commit(partial(files_delete, [picture.storage_key]))
        audit_append(
            actor=None,
            action="generation.withheld",
            subject=("inference.picture", str(picture.pk)),
            data={"codes": list(codes), "sha256": picture.sha256},
        )
    generations_settle([picture.generation_id])


def looks_due() -> list[str]:
    """Drawn pictures that nobody looks at: their news was lost, or the worker died over them."""
    now = timezone.now()
    waiting = GenerationPicture.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), state="checking")
    return [str(pk) for pk in waiting.order_by("created_at").values_list("pk", flat=True)[:SWEEP]]


@transaction.atomic
def generation_cancel(*, generation: Generation) -> None:
    """Stop what is not drawn yet: at once what waits, at its next step what a worker has. Raises JobConflict."""
    open_ = generation.pictures.select_for_update(no_key=True).filter(state__in=DRAWN_NEXT)
    rows = list(open_)
    if not rows:
        raise JobConflict("All its pictures are drawn; there is nothing to cancel.")
    queued = [row.pk for row in rows if row.state == PictureState.QUEUED]
    GenerationPicture.objects.filter(pk__in=queued).update(
        state=PictureState.CANCELLED, finished_at=timezone.now(), lease_token=None, lease_until=None
    )
    GenerationPicture.objects.filter(pk__in=[row.pk for row in rows]).update(cancel_requested=True)
    generations_settle([generation.pk])


@transaction.atomic
def generation_delete(*, generation: Generation) -> None:
    """Delete prompt, settings, rows and files; the decisions stay on record. Raises JobConflict while it is drawn."""
    pictures = list(generation.pictures.select_for_update(no_key=True))
    if any(picture.state in OPEN for picture in pictures):
        raise JobConflict("Some of its pictures are being made. Cancel it first.", remedy="Cancel it, then delete it.")
    _delete([generation.pk], pictures)


def _delete(pks: Iterable[Any], pictures: Iterable[GenerationPicture]) -> None:
    gone = list(pictures)
    Generation.objects.filter(pk__in=list(pks)).delete()
    GenerationBatch.objects.filter(generations=None).delete()
    for picture in gone:
        transaction.on_commit(partial(previews_delete, picture))
    transaction.on_commit(partial(files_delete, [picture.storage_key for picture in gone]))


def generations_forget() -> int:
    """Delete what is older than the retention, and all of erased accounts; in batches, safe to repeat."""
    old = Q(created_at__lt=timezone.now() - settings.GENERATION_RETENTION)
    gone = Q(user__is_active=False, user__email__endswith=f"@{NOWHERE}")
    count = 0
    while pks := list(Generation.objects.filter(old | gone).values_list("pk", flat=True)[:SWEEP]):
        with transaction.atomic():
            pictures = list(GenerationPicture.objects.select_for_update(no_key=True).filter(generation__in=pks))
            _delete(pks, pictures)
        count += len(pks)
    return count


def generations_erase(user: User) -> int:
    """Delete all that an account asked for, under way or not: a worker that hands in a picture finds no row."""
    mine = Generation.objects.filter(user=user)
    pks = list(mine.values_list("pk", flat=True))
    _delete(pks, GenerationPicture.objects.filter(generation__in=pks))
    GenerationBatch.objects.filter(user=user).delete()
    return len(pks)


def files_delete(keys: Iterable[str]) -> None:
    for key in filter(None, keys):
        default_storage.delete(key)
