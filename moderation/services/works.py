"""From an uploaded picture to an entry of the register: what is kept is worked out, and the picture is deleted."""

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from PIL import Image

from governance.services import audit_append, audited
from moderation.matching.pictures import Description, PictureUnusable, describe
from moderation.models import OptOutPicture, PictureState, WorkFeatures
from moderation.optout_pictures import picture_discard, picture_load, thumbnail_sealed
from moderation.optout_things import HashRefused, Thing, hash_thing
from moderation.services.optout import claims_add
from moderation.services.optout_entries import entry_of
from registry.pictures import PictureRefused, picture_open

LEASE = timedelta(minutes=5)
ATTEMPTS = 3
GIVEN_UP = "It could not be worked out after several attempts. Send another copy, for example a smaller one."


def picture_prepare(*, picture_id: uuid.UUID) -> None:
    """Work out what is kept of a picture, make or find its entry, and delete the file.

    What cannot be used is refused with the reason, which its holder reads on the manage page.
    """
    picture = _leased(picture_id)
    if picture is None:
        return
    if picture.attempts > ATTEMPTS:
        _refuse(picture, GIVEN_UP)
        return
    try:
        seen = picture_open(picture_load(key=picture.storage_key, picture_id=picture.pk))
        description = describe(seen)
        thing = hash_thing("pdq", description.pdqs[0].tobytes().hex(), title=picture.title)
    except (PictureRefused, PictureUnusable, HashRefused) as error:
        _refuse(picture, str(error))
        return
    _take_in(picture, seen, description, thing)


def _leased(picture_id: uuid.UUID) -> OptOutPicture | None:
    """The picture, when nobody else works on it."""
    free = Q(leased_until=None) | Q(leased_until__lt=timezone.now())
    waiting = OptOutPicture.objects.filter(free, pk=picture_id, state=PictureState.WAITING)
    taken = waiting.update(leased_until=timezone.now() + LEASE, attempts=F("attempts") + 1)
    return OptOutPicture.objects.get(pk=picture_id) if taken else None


@audited()
def _take_in(picture: OptOutPicture, seen: Image.Image, description: Description, thing: Thing) -> None:
    rows = OptOutPicture.objects.select_for_update(of=["self"]).select_related("registration__holder")
    locked = rows.filter(pk=picture.pk, state=PictureState.WAITING).first()
    if locked is None:  # its registration was taken back meanwhile, or another worker was faster
        return
    entry = entry_of(thing)
    WorkFeatures.objects.get_or_create(
        entry=entry,
        defaults={
            "description": description.to_bytes(),
            "thumbnail_sealed": thumbnail_sealed(seen, entry=entry.public_id),
            "width": description.size[0],
            "height": description.size[1],
        },
    )
    claims_add(registration=locked.registration, entries=[entry])
    _finish(locked, state=PictureState.PREPARED, entry=entry)
    audit_append(
        actor=None,
        action="optout.work-prepared",
        subject=("moderation.optoutentry", str(entry.public_id)),
        data={"registration": str(locked.registration.public_id)},
    )


@transaction.atomic
def _refuse(picture: OptOutPicture, reason: str) -> None:
    _finish(picture, state=PictureState.REFUSED, reason=reason[:300])


def _finish(picture: OptOutPicture, **changes: object) -> None:
    done = OptOutPicture.objects.filter(pk=picture.pk, state=PictureState.WAITING)
    if done.update(storage_key="", leased_until=None, **changes):
        transaction.on_commit(lambda: picture_discard(picture.storage_key))
