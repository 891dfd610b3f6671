"""What was trained on is compared with later opt-outs when the picture has left the set: for runs that had it alone."""

from typing import Any

import pytest

from accounts.models import User
from moderation.models import EntryKind, OptOutEntry
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, make_ready, photo, screen
from tests.factories.training import make_run
from tests.training.services.test_dataset_screening import register_as, verify_entries
from training.models import Dataset, DatasetSnapshot, TrainedPicture, TrainingRun
from training.selectors.rights import blocks_against
from training.services.blocking import blocks_of_deleted_lift
from training.services.pictures import pictures_remove
from training.services.retention import dataset_delete
from training.services.snapshots import snapshot_folder, snapshot_take
from training.services.trained import traces_forget, trained_compare, trained_keep
from training.services.withholding import result_obstacle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


def trained_on(dataset: Dataset, snapshot: DatasetSnapshot) -> TrainingRun:
    """A run over this snapshot that a worker has begun."""
    other = {"source": f"not {snapshot.digest}"}  # or it would be the snapshot of an earlier run
    run = make_run(owner=dataset.created_by, dataset=dataset, manifest=other)
    TrainingRun.objects.filter(pk=run.pk).update(snapshot=snapshot)
    run = TrainingRun.objects.select_related("snapshot__dataset", "owner").get(pk=run.pk)
    with snapshot_folder(snapshot) as items:
        trained_keep(run, items)
        assert trained_keep(run, items) == 0
    return run


def removed(dataset: Dataset, ada: User, path: str) -> None:
    picture = dataset.pictures.get(path=path)
    pictures_remove(dataset=dataset, actor=ada, pictures=[picture.public_id])
    screen(dataset)


def test_later_opt_out_of_a_removed_picture_stands_against_the_runs_that_had_it() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=4)
    before = trained_on(dataset, snapshot_take(dataset=dataset, actor=ada))
    removed(dataset, ada, "02.png")
    after = trained_on(dataset, snapshot_take(dataset=dataset, actor=ada))
    assert trained_compare() == 0
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    verify_entries()
    assert trained_compare() == 1
    assert trained_compare() == 0, "found once"
    assert [block.code for block in blocks_against(before.snapshot)] == ["optout-work"]
    assert result_obstacle(before) is not None
    assert result_obstacle(after) is None, "its snapshot never had the picture"
    OptOutEntry.objects.filter(kind=EntryKind.WORK).update(state="withdrawn")
    assert blocks_of_deleted_lift() == 1
    assert result_obstacle(before) is None


def test_what_is_left_of_a_deleted_dataset_is_compared_and_then_forgotten() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=3)
    run = trained_on(dataset, snapshot_take(dataset=dataset, actor=ada))
    dataset_delete(dataset=dataset, actor=ada)
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    assert trained_compare() == 1
    assert result_obstacle(run) is not None
    assert traces_forget() == 0, "the run has not ended"
    TrainingRun.objects.filter(pk=run.pk).update(state="cancelled")
    assert traces_forget() >= 3
    assert not TrainedPicture.objects.exists()


def test_ones_own_work_and_what_was_known_stand_in_nobodys_way() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=3)
    run = trained_on(dataset, snapshot_take(dataset=dataset, actor=ada))
    removed(dataset, ada, "02.png")
    register_as(ada, pictures={"Mine": photo(2)})
    assert trained_compare() == 0
    assert result_obstacle(run) is None


def test_pictures_that_are_still_there_are_left_to_their_sets_own_checks() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=3)
    trained_on(dataset, snapshot_take(dataset=dataset, actor=ada))
    bring(dataset, {"new.png": photo(9)})
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    assert trained_compare() == 0
    assert set(TrainedPicture.objects.values_list("compared_mark", flat=True)) == {""}
