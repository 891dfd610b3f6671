"""Datasets are deleted when their time is over, or when their owner says so; what is gone is proved, and stays gone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from governance.models import AuditEntry
from registry.storage import store_bytes
from tests.factories.accounts import make_user
from tests.factories.datasets import make_dataset, make_ready, photo
from tests.factories.training import make_run
from training.errors import DatasetBusy, DatasetGone
from training.layouts.folders import Planned
from training.models import Dataset, DatasetDeletion, DatasetSnapshot
from training.permissions import DatasetPermission
from training.selectors.datasets import access_dataset
from training.services.captions import caption_set
from training.services.import_running import measure
from training.services.pictures import picture_add, pictures_remove
from training.services.retention import (
    dataset_delete,
    deletions_look_again,
    deletions_prove,
    is_in_use,
    keep_until,
    retention_enforce,
)
from training.services.snapshots import snapshot_folder, snapshot_take
from training.states import RunState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def test_deletion_leaves_nothing_but_its_record(ada: User, django_capture_on_commit_callbacks: object) -> None:
    dataset = make_ready(ada, pictures=4, description="Words of a person.")
    caption_set(picture=dataset.pictures.get(path="01.png"), actor=ada, caption="words of ada")
    taken = DatasetSnapshot.objects.create(
        dataset=dataset, digest="1" * 64, manifest={"pictures": []}, pictures=4, validation=0, prior=0
    )
    cache = Path(settings.TRAINING_DIR) / "cache" / str(dataset.public_id)
    cache.mkdir(parents=True)
    (cache / "latents.bin").write_bytes(b"x")
    keys = [key for row in dataset.pictures.all() for key in (row.storage_key, row.thumb_key)]
    assert all(default_storage.exists(key) for key in keys)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        deletion = dataset_delete(dataset=dataset, actor=ada)
    assert not any(default_storage.exists(key) for key in keys)
    assert not cache.exists()
    assert deletions_prove() == 1
    deletion.refresh_from_db()
    assert deletion.proved_at is not None
    assert (deletion.pictures, len(deletion.keys), len(deletion.digest)) == (4, 8, 64)
    dataset.refresh_from_db()
    taken.refresh_from_db()
    assert (dataset.state, dataset.description) == ("deleted", "")
    assert (taken.manifest, taken.digest) == ({}, "1" * 64)
    assert not dataset.pictures.exists()
    assert not dataset.edits.exists()
    assert "words of ada" not in str(list(AuditEntry.objects.values_list("data", flat=True)))
    with pytest.raises(NotFound):
        access_dataset(actor=ada, owner="ada", name="leaves", permission=DatasetPermission.READ)


def test_proof_waits_for_what_is_still_there(ada: User) -> None:
    """The process was killed after its commit: nothing was deleted yet, so the sweep deletes, and proves it then."""
    dataset = make_ready(ada, pictures=3)
    key = dataset.pictures.all()[0].storage_key
    deletion = dataset_delete(dataset=dataset, actor=ada)  # its commit never comes in this test
    assert default_storage.exists(key)
    assert deletions_prove() == 1
    assert not default_storage.exists(key)
    deletion.refresh_from_db()
    assert deletion.proved_at is not None


def test_files_that_come_back_with_a_backup_are_deleted_again(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    key = dataset.pictures.all()[0].storage_key
    dataset_delete(dataset=dataset, actor=ada)
    deletions_prove()
    store_bytes(content=photo(1), key=key)
    assert deletions_look_again() == 1
    assert not default_storage.exists(key)
    assert deletions_look_again() == 0


def test_deleted_is_deleted(ada: User) -> None:
    dataset = make_dataset(ada)
    deletion = dataset_delete(dataset=dataset, actor=ada)
    with pytest.raises(DatasetGone):
        dataset_delete(dataset=dataset, actor=ada)
    with pytest.raises(DatasetGone):
        snapshot_take(dataset=dataset, actor=ada)
    for change in ({"state": "open", "deleted_at": None},):
        with pytest.raises(DatabaseError), transaction.atomic():
            Dataset.objects.filter(pk=dataset.pk).update(**change)
    for changes in ({"digest": "0" * 64}, {"pictures": 9}, {"asked_at": timezone.now()}):
        with pytest.raises(DatabaseError), transaction.atomic():
            DatasetDeletion.objects.filter(pk=deletion.pk).update(**changes)
    assert make_dataset(ada).name == "leaves", "its name is free again"


def test_snapshot_of_a_deleted_dataset_says_that_it_is_gone(ada: User) -> None:
    dataset = make_ready(ada, pictures=4)
    taken = snapshot_take(dataset=dataset, actor=ada)
    dataset_delete(dataset=dataset, actor=ada)
    taken.refresh_from_db()
    with pytest.raises(DatasetGone), snapshot_folder(taken):
        pass


def aged(dataset: Dataset, days: int, **more: object) -> None:
    moment = timezone.now() - timedelta(days=days)
    Dataset.objects.filter(pk=dataset.pk).update(last_used_at=moment, created_at=moment, **more)


def test_time_that_is_over_deletes_what_nothing_uses(ada: User) -> None:
    old, fresh, kept = (make_dataset(ada, name) for name in ("old", "fresh", "kept"))
    aged(old, 31)
    aged(fresh, 29)
    aged(kept, 300, keep_until=timezone.now() + timedelta(days=1))
    assert retention_enforce() == 1
    states = dict(Dataset.objects.values_list("name", "state"))
    assert states == {"old": "deleted", "fresh": "open", "kept": "open"}
    assert old.deletion.reason == "retention"
    assert retention_enforce() == 0


@pytest.mark.parametrize("state", ["queued", "running", "paused"])
def test_run_that_has_not_ended_keeps_its_pictures(ada: User, state: str) -> None:
    run = make_run(owner=ada, state=RunState(state))
    dataset = run.snapshot.dataset
    aged(dataset, 100)
    assert is_in_use(dataset)
    assert retention_enforce() == 0
    with pytest.raises(DatasetBusy):
        dataset_delete(dataset=dataset, actor=ada)


def test_time_starts_anew_when_the_last_run_ends(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    dataset = run.snapshot.dataset
    aged(dataset, 100)
    dataset.refresh_from_db()
    run.refresh_from_db()
    assert run.finished_at is not None
    assert keep_until(dataset) == run.finished_at + timedelta(days=30)
    assert retention_enforce() == 0


def test_what_no_row_names_goes_with_the_dataset(ada: User) -> None:
    """A worker was killed between the file and its row."""
    dataset = make_ready(ada, pictures=3)
    key = f"datasets/{dataset.public_id}/left-behind.png"
    store_bytes(content=photo(7), key=key)
    dataset_delete(dataset=dataset, actor=ada)
    assert deletions_prove() == 1
    assert not default_storage.exists(key)
    store_bytes(content=photo(7), key=key)
    assert deletions_look_again() == 1
    assert not default_storage.exists(key)


def test_picture_that_comes_after_the_deletion_is_not_kept(ada: User) -> None:
    dataset = make_dataset(ada)
    dataset_delete(dataset=dataset, actor=ada)
    planned = Planned(at="a.png", path="a.png")
    assert picture_add(dataset=dataset, planned=planned, measured=measure(photo(1))) is None
    assert not dataset.pictures.exists()
    assert default_storage.listdir(f"datasets/{dataset.public_id}")[1] == []


def test_no_digest_of_a_removed_picture_stays_on_the_chain(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    row = dataset.pictures.all()[0]
    pictures_remove(dataset=dataset, actor=ada, pictures=[row.public_id])
    said = str(list(AuditEntry.objects.values_list("data", flat=True)))
    assert row.sha256 not in said
    assert str(row.public_id) in said
