"""How long training pictures are kept, and their deletion: files go, a row with their digest stays and is proved."""

import hashlib
import shutil
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from accounts.erasure import is_erased
from accounts.models import User
from governance.services import audit_append, audited
from training.errors import DatasetBusy, DatasetGone
from training.models import (
    WORK_UNFINISHED,
    Dataset,
    DatasetDeletion,
    DatasetEdit,
    DatasetJob,
    DatasetPicture,
    DatasetSnapshot,
    DatasetState,
    DeletionReason,
    TrainingRun,
    WorkState,
)
from training.services.blocking import blocks_add, blocks_keep
from training.services.captions import edits_tidy
from training.services.datasets import SUBJECT
from training.services.pictures import PLACE, blobs_delete
from training.states import UNFINISHED

SWEEP = 20
EDITS_KEPT = 50  # changes of captions that can be undone, of each dataset


def is_in_use(dataset: Dataset) -> bool:
    """Whether a run that has not ended needs its pictures."""
    return TrainingRun.objects.filter(snapshot__dataset=dataset, state__in=UNFINISHED).exists()


def keep_until(dataset: Dataset) -> datetime:
    """When its pictures are deleted if nothing more happens: after the last run or change, or as its owner said."""
    ended = TrainingRun.objects.filter(snapshot__dataset=dataset).aggregate(last=Max("finished_at"))["last"]
    last = max(filter(None, (dataset.last_used_at, dataset.created_at, ended)))
    normal: datetime = last + settings.DATASET_RETENTION
    return max(normal, dataset.keep_until) if dataset.keep_until else normal


@audited()
def dataset_delete(
    *, dataset: Dataset, actor: User | None, reason: DeletionReason | str = DeletionReason.ASKED
) -> DatasetDeletion:
    """Delete the pictures, captions, edits and manifests of a dataset; digests stay as the record of what there was.

    Raises DatasetGone when it was deleted before, DatasetBusy while a run needs it.
    """
    locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if locked.state == DatasetState.DELETED:
        raise DatasetGone(f"{locked} was deleted before.")
    if is_in_use(locked):
        raise DatasetBusy("A run is training on it.", remedy="Cancel the run first, or wait until it has ended.")
    blocks_add(dataset=locked)  # first: what was found and not yet said would go with the pictures
    deletion = _record(locked, DeletionReason(reason))
    _forget(locked)
    if deletion.reason == DeletionReason.ERASED:
        words_forget(locked)
    audit_append(
        actor=actor,
        action="dataset.deleted",
        subject=(SUBJECT, str(locked.pk)),
        data={"reason": deletion.reason, "digest": deletion.digest, "pictures": deletion.pictures},
    )
    transaction.on_commit(lambda: _delete_files(deletion))
    return deletion


def _delete_files(deletion: DatasetDeletion) -> None:
    """The stored pictures, and what a trainer on this machine derived from them."""
    blobs_delete(_places(deletion))
    shutil.rmtree(_cache(deletion), ignore_errors=True)


def _places(deletion: DatasetDeletion) -> list[str]:
    """What is on record, and whatever else lies in its folder: a crash leaves files behind that no row names."""
    folder = f"{PLACE}/{deletion.dataset.public_id}"
    try:
        names = default_storage.listdir(folder)[1]
    except FileNotFoundError:  # an object store answers with nothing instead
        names = []
    return sorted({*deletion.keys, *(f"{folder}/{name}" for name in names)})


def _cache(deletion: DatasetDeletion) -> Path:
    return Path(settings.TRAINING_DIR) / "cache" / str(deletion.dataset.public_id)


def _record(dataset: Dataset, reason: DeletionReason) -> DatasetDeletion:
    rows = list(dataset.pictures.order_by("sha256"))
    digest = hashlib.sha256("".join(sorted(row.stored_sha256 for row in rows)).encode()).hexdigest()
    return DatasetDeletion.objects.create(
        dataset=dataset,
        reason=reason,
        digest=digest,
        pictures=len(rows),
        size=sum(row.size for row in rows),
        keys=[key for row in rows for key in (row.storage_key, row.thumb_key)],
    )


def _forget(dataset: Dataset) -> None:
    """What could tell of its pictures goes: rows, captions, edits, manifests, what was said about it.

    What stands against what was trained on it stays, see `blocks_keep`.
    """
    now = timezone.now()
    DatasetPicture.objects.filter(dataset=dataset).delete()
    DatasetEdit.objects.filter(dataset=dataset).delete()
    DatasetSnapshot.objects.filter(dataset=dataset).update(manifest={})
    DatasetJob.objects.filter(dataset=dataset, state__in=WORK_UNFINISHED).update(
        state=WorkState.FAILED, lease_until=None, finished_at=now, problem={"what": "The dataset was deleted."}
    )
    DatasetJob.objects.filter(dataset=dataset).update(params={}, remarks=[])
    blocks_keep(dataset=dataset)
    dataset.state, dataset.deleted_at = DatasetState.DELETED, now
    dataset.description = dataset.source = dataset.fictional_statement = ""
    dataset.findings = []
    dataset.save()


def erased_name(dataset: Dataset) -> str:
    """What a deleted dataset of an erased person is called."""
    return f"erased-{dataset.pk}"


def words_forget(dataset: Dataset) -> None:
    """The words that a deleted dataset still has go with the person whose it was."""
    Dataset.objects.filter(pk=dataset.pk, state=DatasetState.DELETED).update(
        name=erased_name(dataset), title="erased", trigger="", class_word=""
    )


def deletions_prove() -> int:
    """Look into the storage for what was deleted, delete what is still there, and write down what is proved; how many.

    Also those proved before: a backup that was set back brings files with it.
    """
    proved = 0
    for deletion in DatasetDeletion.objects.filter(proved_at=None).order_by("pk")[:SWEEP]:
        if not files_left(deletion):
            DatasetDeletion.objects.filter(pk=deletion.pk).update(proved_at=timezone.now())
            proved += 1
    return proved


def files_left(deletion: DatasetDeletion) -> int:
    """Delete what is still there of a deleted dataset; how many files are there after that."""
    _delete_files(deletion)
    return sum(default_storage.exists(key) for key in _places(deletion)) + _cache(deletion).exists()


def deletions_look_again() -> int:
    """Every deletion once more, by night: nothing of it may have come back. How many files were there again."""
    count = 0
    for deletion in DatasetDeletion.objects.exclude(proved_at=None).iterator():
        back = [key for key in _places(deletion) if default_storage.exists(key)]
        blobs_delete(back)
        count += len(back)
    return count


def retention_enforce() -> int:
    """Delete datasets whose time is over and that nothing uses; how many."""
    now = timezone.now()
    over = Q(last_used_at__lt=now - settings.DATASET_RETENTION) & (Q(keep_until=None) | Q(keep_until__lt=now))
    count = 0
    for dataset in Dataset.objects.filter(over, state=DatasetState.OPEN).order_by("last_used_at"):
        if keep_until(dataset) < now and not is_in_use(dataset):
            dataset_delete(dataset=dataset, actor=None, reason=DeletionReason.RETENTION)
            count += 1
    return count


def erased_owners_delete() -> int:
    """Delete the datasets of people who had their account erased; how many. What a run needs goes when it has ended."""
    count = 0
    for dataset in Dataset.objects.filter(state=DatasetState.OPEN, owner__user__is_active=False).select_related(
        "owner__user"
    ):
        if dataset.owner.user is not None and is_erased(dataset.owner.user) and not is_in_use(dataset):
            dataset_delete(dataset=dataset, actor=None, reason=DeletionReason.ERASED)
            count += 1
    return count


def edits_tidy_everywhere() -> int:
    """Forget old changes of captions in every dataset that has more than are kept; how many went."""
    many = Dataset.objects.filter(state=DatasetState.OPEN).annotate(count=Count("edits")).filter(count__gt=EDITS_KEPT)
    return sum(edits_tidy(dataset=dataset, keep=EDITS_KEPT) for dataset in many.iterator())
