"""The pictures of a dataset: taken in one by one, changed, left out, removed; and the split that follows from them."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from accounts.models import User
from governance.services import audit_append, audited
from moderation.models import Consent
from registry.services.policy import licence_known
from registry.storage import store_bytes
from training.errors import DatasetDeclaration
from training.layouts.folders import Planned
from training.models import Dataset, DatasetPicture, DatasetState, Protection
from training.permissions import PICTURE_RIGHTS
from training.reporting.captions import CAPTION_MAX
from training.selectors.rights import live_training_consents
from training.services.datasets import SUBJECT, UNSCREENED, dataset_unsettle
from training.services.splits import dataset_resplit

PLACE = "datasets"  # in the storage; each dataset has a folder of its own there
# What may be said of one picture; what is said about rights in it has it looked at again.
CHANGEABLE = frozenset({"source", "licence_id", "depicts_person", "protection", "repeats", "is_prior", "left_out"})


@dataclass(frozen=True)
class Measured:
    """What a worker made of one file: `training.reporting.pixels.Prepared` with the file's digest and marks."""

    sha256: str
    stored_sha256: str
    content: bytes
    ending: str
    thumb: bytes
    width: int
    height: int
    sharpness: float
    phash: str
    colours: bytes
    marks: list[dict[str, str]]


def picture_add(*, dataset: Dataset, planned: Planned, measured: Measured) -> DatasetPicture | None:
    """Keep a picture under a path of its own; None where the same file is there already, or came at the same moment.

    None as well where the dataset was deleted meanwhile. Its bytes are written first: a row never points to nothing,
    and what a crash leaves behind goes with the dataset.
    """
    if dataset.pictures.filter(sha256=measured.sha256).exists():
        return None
    row = picture_store(dataset=dataset, planned=planned, measured=measured)
    row.path = _free_path(dataset, planned.path)
    try:
        with transaction.atomic():
            if kept := _is_open(dataset):
                row.save(force_insert=True)
    except IntegrityError:
        kept = False
    if not kept:
        blobs_delete((row.storage_key, row.thumb_key))
    return row if kept else None


def picture_store(*, dataset: Dataset, planned: Planned, measured: Measured) -> DatasetPicture:
    """Write the picture's bytes, and answer its row, which its caller saves or whose bytes they delete again."""
    pk = uuid.uuid4()
    place = f"{PLACE}/{dataset.public_id}/{pk}"
    keys = f"{place}.{measured.ending}", f"{place}.thumb.png"
    store_bytes(content=measured.content, key=keys[0])
    store_bytes(content=measured.thumb, key=keys[1])
    return DatasetPicture(
        public_id=pk,
        dataset=dataset,
        path=planned.path,
        sha256=measured.sha256,
        stored_sha256=measured.stored_sha256,
        storage_key=keys[0],
        thumb_key=keys[1],
        size=len(measured.content) + len(measured.thumb),
        content_size=len(measured.content),
        width=measured.width,
        height=measured.height,
        sharpness=measured.sharpness,
        phash=measured.phash,
        colours=measured.colours,
        marks=measured.marks,
        caption=planned.caption[:CAPTION_MAX],
        caption_by=planned.caption_by,
        repeats=planned.repeats,
        is_prior=planned.is_prior,
        source=planned.source,
        licence_id=planned.licence_id if licence_known(planned.licence_id) else "",
        depicts_person=planned.depicts_person,
        protection=planned.protection,
    )


def _is_open(dataset: Dataset) -> bool:
    """Whether the dataset is there still. Its row is locked: a deletion comes before this transaction, or after it."""
    return bool(Dataset.objects.select_for_update(no_key=True).filter(pk=dataset.pk, state=DatasetState.OPEN))


def _free_path(dataset: Dataset, path: str) -> str:
    """The path, or one with a number where another picture has it."""
    taken = set(dataset.pictures.filter(path__startswith=path.rpartition(".")[0]).values_list("path", flat=True))
    stem, dot, ending = path.rpartition(".")
    number, free = 2, path
    while free in taken:
        free, number = f"{stem} ({number}){dot}{ending}", number + 1
    return free


def blobs_delete(keys: Iterable[str]) -> None:
    """Delete stored files; what is not there is as it should be."""
    for key in filter(None, keys):
        default_storage.delete(key)


@audited()
def pictures_change(
    *, dataset: Dataset, actor: User, pictures: Sequence[uuid.UUID], changes: dict[str, Any], consent: Any = ...
) -> int:
    """Say something of pictures, or leave them out; how many rows that changed.

    `consent` is a Consent, or None to take it away. Raises DatasetDeclaration for what does not fit.
    """
    locked = Dataset.objects.select_for_update(no_key=True).select_related("owner").get(pk=dataset.pk)
    values = _checked(changes)
    if consent is not ...:
        values["consent"] = _checked_consent(locked, consent)
    rows = locked.pictures.filter(public_id__in=list(pictures))
    if PICTURE_RIGHTS & set(values):
        values |= {**UNSCREENED, "looked_at": None}
    if values.get("is_prior"):
        values["is_validation"] = False
    count = rows.update(**values)
    dataset_resplit(dataset=locked)
    dataset_unsettle(dataset=locked)
    data = {"fields": sorted(changes) + (["consent"] if consent is not ... else []), "pictures": count}
    audit_append(actor=actor, action="dataset.pictures-changed", subject=(SUBJECT, str(locked.pk)), data=data)
    return count


def _checked(changes: dict[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(changes) - CHANGEABLE):
        raise DatasetDeclaration(f"A picture has no field {unknown[0]!r} that can be changed.")
    if (licence := changes.get("licence_id")) and not licence_known(licence):
        raise DatasetDeclaration(f"The catalogue has no licence {licence[:60]!r}.")
    if changes.get("protection", "") not in Protection.values:
        raise DatasetDeclaration("The protection is glaze, nightshade, other, or none.")
    if not 1 <= int(changes.get("repeats", 1)) <= 1000:
        raise DatasetDeclaration("A picture is repeated 1 to 1000 times.")
    return dict(changes)


def _checked_consent(dataset: Dataset, consent: Consent | None) -> Consent | None:
    if consent is not None and consent.pk not in {one.pk for one in live_training_consents(dataset)}:
        raise DatasetDeclaration("That consent does not let you train now.", remedy="Link one that is in force.")
    return consent


@audited()
def pictures_remove(*, dataset: Dataset, actor: User, pictures: Sequence[uuid.UUID]) -> int:
    """Delete pictures and their files; how many. Snapshots that were taken of them say so when they are asked for."""
    locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    rows = list(locked.pictures.filter(public_id__in=list(pictures)))
    keys = [key for row in rows for key in (row.storage_key, row.thumb_key)]
    names = [str(row.public_id) for row in rows]  # the chain is for ever, and a digest tells who has the same file
    DatasetPicture.objects.filter(pk__in=[row.pk for row in rows]).delete()
    if rows:
        dataset_resplit(dataset=locked)
        dataset_unsettle(dataset=locked)
        audit_append(
            actor=actor,
            action="dataset.pictures-removed",
            subject=(SUBJECT, str(locked.pk)),
            data={"pictures": len(rows), "ids": names[:50]},
        )
        transaction.on_commit(lambda: blobs_delete(keys))
    return len(rows)
