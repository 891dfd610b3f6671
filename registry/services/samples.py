"""Pictures that people attach to a version: taken safely, screened before others see them, removed again."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL.PngImagePlugin import PngInfo

from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import PictureNotTaken
from registry.models import Adapter, SampleKind, SamplePicture, SampleState, Version
from registry.pictures import PictureRefused, blurhash_of, picture_open, shown_copy
from registry.services.listing import adapter_refresh
from registry.signals import pictures_added
from registry.states import TOMBSTONES
from registry.storage import store_bytes

MAX_SAMPLES = 12  # of a version


@dataclass(frozen=True)
class Sample:
    """A picture as it was sent."""

    filename: str
    content: bytes
    kind: SampleKind = SampleKind.EXAMPLE
    texts: PngInfo | None = None
    """What its shown copy says of its origin, for a picture that was made here."""


@audited()
def samples_add(*, version: Version, actor: User, samples: Sequence[Sample]) -> list[SamplePicture]:
    """Attach pictures; all of them are taken, or none. They wait for the screening.

    Raises PictureNotTaken, which names the picture, where one cannot be read, is there already, or is one too many.
    """
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
    version = Version.objects.get(pk=version.pk)
    if version.state in TOMBSTONES:
        raise PictureNotTaken(f"{version} is {version.state}: no pictures are taken for it any more.")
    there = version.samples.exclude(state=SampleState.REMOVED).count()
    if there + len(samples) > MAX_SAMPLES:
        raise PictureNotTaken(
            f"A version has at most {MAX_SAMPLES} pictures; {version} has {there}.", remedy="Choose fewer of them."
        )
    added = [_add(version, actor, sample) for sample in samples]
    if added:
        audit_append(
            actor=actor,
            action="version.pictures-added",
            subject=("registry.version", str(version.pk)),
            data={"pictures": [str(row.pk) for row in added], "sha256": [row.sha256 for row in added]},
        )
        transaction.on_commit(lambda: pictures_added.send(sender=Version, version_id=version.pk))
    return added


def _add(version: Version, actor: User, sample: Sample) -> SamplePicture:
    try:
        picture = picture_open(sample.content)
        shown, size = shown_copy(picture, texts=sample.texts)
    except PictureRefused as refusal:
        raise PictureNotTaken(f"{sample.filename}: {refusal}") from refusal
    digest = hashlib.sha256(sample.content).hexdigest()
    if version.samples.filter(sha256=digest).exists():
        raise PictureNotTaken(f"{sample.filename} is attached to {version} already.", remedy="Leave it out.")
    pk = uuid.uuid4()
    place = f"samples/{version.pk}/{pk}"
    store_bytes(content=shown, key=f"{place}.png")
    store_bytes(content=sample.content, key=f"{place}.original")
    return SamplePicture.objects.create(
        pk=pk,
        version=version,
        kind=sample.kind,
        storage_key=f"{place}.png",
        original_key=f"{place}.original",
        sha256=digest,
        width=size[0],
        height=size[1],
        blurhash=blurhash_of(picture),
        added_by=actor,
    )


@audited()
def sample_remove(*, sample: SamplePicture, actor: User) -> None:
    """Take a picture away; its bytes are deleted when that is certain, its digest stays on record."""
    locked = SamplePicture.objects.select_for_update(no_key=True).get(pk=sample.pk)
    if locked.state == SampleState.REMOVED:
        return
    keys = [locked.storage_key, locked.original_key]
    locked.state, locked.original_key = SampleState.REMOVED, ""
    locked.save(update_fields=["state", "original_key"])
    audit_append(
        actor=actor,
        action="version.picture-removed",
        subject=("registry.version", str(locked.version_id)),
        data={"picture": str(locked.pk)},
    )
    transaction.on_commit(lambda: _delete(keys))


def samples_settle(*, pictures: Iterable[uuid.UUID], state: SampleState) -> None:
    """The screening has read these pictures; what was uploaded beyond their pixels is deleted."""
    with transaction.atomic():
        rows = SamplePicture.objects.select_for_update(no_key=True).filter(pk__in=list(pictures))
        waiting = [row for row in rows if row.state in {SampleState.WAITING, SampleState.HELD}]
        keys = [row.original_key for row in waiting]
        SamplePicture.objects.filter(pk__in=[row.pk for row in waiting]).update(state=state, original_key="")
        transaction.on_commit(lambda: _delete(keys))


def pictures_release(*, version: Version) -> None:
    """A moderator let the version out with its pictures: those that were held are shown."""
    held = version.samples.filter(state=SampleState.HELD).values_list("pk", flat=True)
    samples_settle(pictures=list(held), state=SampleState.SHOWN)
    version.images.filter(screened_at=None).update(screened_at=timezone.now())
    adapter_refresh(adapter=version.adapter)


def _delete(keys: Iterable[str]) -> None:
    for key in filter(None, keys):
        default_storage.delete(key)
