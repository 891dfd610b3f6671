"""Snapshots: taken of what may be trained on, and laid out on local disk for a worker."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from registry.storage import local_copy
from training.errors import DatasetGone, SnapshotRefused
from training.models import Dataset, DatasetBlock, DatasetPicture, DatasetSnapshot, DatasetState, PictureState

MANIFEST_EDITION = 1
NAMED = 5  # pictures named in one sentence


@dataclass(frozen=True)
class SnapshotItem:
    """One picture of a snapshot on local disk: RGB, upright, without metadata. `digest` is of the stored file."""

    path: Path
    caption: str
    digest: str
    repeats: int
    is_prior: bool
    is_validation: bool


def obstacles(dataset: Dataset) -> list[str]:
    """What stands against training on the dataset as it is now, each in a sentence; empty where nothing does."""
    used = dataset.pictures.filter(left_out=False)
    found = []
    if dataset.rights_affirmed_at is None:
        found.append("Nobody has affirmed the rights to its pictures.")
    for state, words in ((PictureState.WAITING, "wait for their checks"), (PictureState.REFUSED, "were refused")):
        names = list(used.filter(state=state).values_list("path", flat=True)[: NAMED + 1])
        if names:
            found.append(f"{used.filter(state=state).count()} pictures {words}: {_named(names)}.")
    if dataset.screened_at is None and not found:
        found.append("The set as a whole has not been checked since it was changed.")
    found += [f"It is blocked: {block.message}" for block in standing_blocks(dataset)[:1]]
    if used.filter(is_prior=False, is_validation=False).count() < settings.DATASET_PICTURES_LEAST:
        least = settings.DATASET_PICTURES_LEAST
        found.append(f"Fewer than {least} pictures are left to train on.")
    return found


def standing_blocks(dataset: Dataset) -> list[DatasetBlock]:
    """Blocks that concern the dataset as it is now: not those of pictures that were removed or left out."""
    used = dataset.pictures.filter(left_out=False).values("public_id")
    return list(dataset.blocks.filter(Q(picture=None) | Q(picture__in=used), cleared_at=None))


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


@audited()
def snapshot_take(*, dataset: Dataset, actor: User | None) -> DatasetSnapshot:
    """The dataset as it stands; the same content gives the same snapshot again.

    Raises SnapshotRefused while a picture that is not left out is unscreened or refused.
    """
    locked = Dataset.objects.select_for_update(no_key=True).select_related("owner").get(pk=dataset.pk)
    if locked.state != DatasetState.OPEN:
        raise DatasetGone(f"{locked} was deleted.")
    if against := obstacles(locked):
        raise SnapshotRefused(" ".join(against), obstacles=against)
    rows = list(locked.pictures.filter(left_out=False).select_related("consent").order_by("path"))
    manifest = manifest_of(locked, rows)
    snapshot, made = DatasetSnapshot.objects.get_or_create(
        dataset=locked,
        digest=manifest_digest(manifest),
        defaults={
            "manifest": manifest,
            "pictures": sum(not row.is_prior and not row.is_validation for row in rows),
            "validation": sum(row.is_validation for row in rows),
            "prior": sum(row.is_prior for row in rows),
            "created_by": actor,
        },
    )
    Dataset.objects.filter(pk=locked.pk).update(last_used_at=timezone.now())
    if made:
        _log(snapshot, actor)
    return snapshot


def _log(snapshot: DatasetSnapshot, actor: User | None) -> None:
    audit_append(
        actor=actor,
        action="dataset.snapshot-taken",
        subject=("training.dataset", str(snapshot.dataset_id)),
        data={"snapshot": str(snapshot.public_id), "digest": snapshot.digest, "pictures": snapshot.pictures},
    )


def manifest_of(dataset: Dataset, rows: Sequence[DatasetPicture]) -> dict[str, Any]:
    """What a snapshot keeps: for each picture where it lies, what it is, and what was declared and found of it."""
    return {
        "edition": MANIFEST_EDITION,
        "dataset": str(dataset.public_id),
        "trigger": dataset.trigger,
        "class_word": dataset.class_word,
        "purpose": dataset.purpose,
        "origin": dataset.origin,
        "licence_id": dataset.licence_id,
        "source": dataset.source,
        "depicts_real_person": dataset.depicts_real_person,
        "fictional": bool(dataset.fictional_statement),
        "findings": dataset.findings,
        "pictures": [_entry(row) for row in rows],
    }


def _entry(row: DatasetPicture) -> dict[str, Any]:
    return {
        "picture": str(row.public_id),
        "path": row.path,
        "sha256": row.sha256,
        "stored_sha256": row.stored_sha256,
        "key": row.storage_key,
        "width": row.width,
        "height": row.height,
        "caption": row.caption,
        "repeats": row.repeats,
        "is_prior": row.is_prior,
        "is_validation": row.is_validation,
        "source": row.source,
        "licence_id": row.licence_id,
        "depicts_person": row.depicts_person,
        "protection": row.protection,
        "consent": str(row.consent.public_id) if row.consent else None,
        "findings": row.findings,
    }


def manifest_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@contextmanager
def snapshot_folder(snapshot: DatasetSnapshot) -> Iterator[list[SnapshotItem]]:
    """The snapshot's pictures on local disk for as long as the block lasts: the files themselves, or copies.

    Raises DatasetGone where the pictures were deleted or a file is not the one of which the snapshot was taken.
    """
    entries = snapshot.manifest.get("pictures")
    if not entries:
        raise DatasetGone(f"The pictures of {snapshot} were deleted.")
    with ExitStack() as stack:
        yield [_item(stack, entry) for entry in entries]


def _item(stack: ExitStack, entry: dict[str, Any]) -> SnapshotItem:
    try:
        path = stack.enter_context(local_copy(entry["key"]))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise DatasetGone(f"{entry['path']} is not in the storage any more.") from error
    if found != entry["stored_sha256"]:
        raise DatasetGone(f"{entry['path']} has changed in the storage since the snapshot was taken.")
    return SnapshotItem(
        path=path,
        caption=entry["caption"],
        digest=entry["stored_sha256"],
        repeats=entry["repeats"],
        is_prior=entry["is_prior"],
        is_validation=entry["is_validation"],
    )
