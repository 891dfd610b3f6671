"""Snapshots: refused while something stands against it, immutable, and laid out as what was screened."""

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction

from accounts.models import User
from governance.policy import Role
from registry.storage import store_bytes
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, make_dataset, make_ready, photo, screen
from training.errors import DatasetGone, SnapshotRefused
from training.models import Dataset, DatasetPicture, DatasetSnapshot, PictureState
from training.selectors.rights import dataset_rights
from training.services.captions import caption_set
from training.services.pictures import pictures_change, pictures_remove
from training.services.snapshots import obstacles, snapshot_folder, snapshot_take

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def dataset(ada: User) -> Dataset:
    return make_ready(ada, pictures=5)


def change(dataset: Dataset, ada: User, path: str, **changes: Any) -> None:
    picture = dataset.pictures.get(path=path)
    pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes=changes)


def test_snapshot_holds_what_is_not_left_out(dataset: Dataset, ada: User) -> None:
    change(dataset, ada, "03.png", left_out=True)
    screen(dataset)
    taken = snapshot_take(dataset=dataset, actor=ada)
    assert (taken.pictures, taken.validation, taken.prior) == (3, 1, 0)
    with snapshot_folder(taken) as rows:
        assert {row.caption for row in rows} == {f"sks, picture {n} of many shapes" for n in (1, 2, 4, 5)}
        assert all(row.path.read_bytes() for row in rows)
        assert sum(row.is_validation for row in rows) == 1


def test_same_content_gives_the_same_snapshot_and_a_change_another(dataset: Dataset, ada: User) -> None:
    first = snapshot_take(dataset=dataset, actor=ada)
    assert snapshot_take(dataset=dataset, actor=ada) == first
    caption_set(picture=dataset.pictures.get(path="01.png"), actor=ada, caption="sks, other words")
    screen(dataset)
    second = snapshot_take(dataset=dataset, actor=ada)
    assert second.digest != first.digest
    with snapshot_folder(first) as rows:
        assert "sks, other words" not in {row.caption for row in rows}


@pytest.mark.parametrize("state", [PictureState.WAITING, PictureState.REFUSED])
def test_picture_that_may_not_be_used_stands_in_the_way_until_it_is_left_out(
    dataset: Dataset, ada: User, state: str
) -> None:
    found = {"check": "protection", "code": "protected-work", "message": "Glaze.", "facts": {}}
    DatasetPicture.objects.filter(path="02.png").update(state=state, findings=[found])
    with pytest.raises(SnapshotRefused, match=r"02\.png"):
        snapshot_take(dataset=dataset, actor=ada)
    change(dataset, ada, "02.png", left_out=True)
    DatasetPicture.objects.filter(path="02.png").update(state=PictureState.REFUSED)
    screen(dataset)
    assert snapshot_take(dataset=dataset, actor=ada)


def test_held_picture_goes_along_with_its_findings(dataset: Dataset, ada: User) -> None:
    found = {"check": "works", "code": "optout-work", "message": "A work.", "facts": {"entry": "e", "verified": False}}
    DatasetPicture.objects.filter(path="02.png").update(state=PictureState.HELD, findings=[found])
    rights = dataset_rights(snapshot_take(dataset=dataset, actor=ada))
    assert [finding.code for finding in rights.findings] == ["optout-work"]


def test_set_that_changed_is_checked_before_it_is_taken(dataset: Dataset, ada: User) -> None:
    bring(dataset, {"new.png": photo(9)})
    with pytest.raises(SnapshotRefused):
        snapshot_take(dataset=dataset, actor=ada)


def test_too_few_pictures_are_no_set(ada: User) -> None:
    dataset = make_ready(ada, pictures=2)
    assert any("Fewer than 3" in sentence for sentence in obstacles(dataset))


def test_snapshot_never_changes(dataset: Dataset, ada: User) -> None:
    taken = snapshot_take(dataset=dataset, actor=ada)
    for changes in ({"digest": "0" * 64}, {"manifest": {"pictures": []}}, {"pictures": 9}):
        with pytest.raises(DatabaseError), transaction.atomic():
            DatasetSnapshot.objects.filter(pk=taken.pk).update(**changes)
    with pytest.raises(DatabaseError), transaction.atomic():
        DatasetSnapshot.objects.filter(pk=taken.pk).delete()


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_file_that_is_not_what_was_screened_is_not_trained_on(dataset: Dataset, ada: User, how: str) -> None:
    taken = snapshot_take(dataset=dataset, actor=ada)
    key = dataset.pictures.get(path="01.png").storage_key
    if how == "gone":
        default_storage.delete(key)
    else:
        store_bytes(content=photo(77), key=key)
    with pytest.raises(DatasetGone, match=r"01\.png"), snapshot_folder(taken):
        pass


def test_removed_picture_is_missed_by_the_snapshot_that_had_it(dataset: Dataset, ada: User) -> None:
    taken = snapshot_take(dataset=dataset, actor=ada)
    pictures_remove(dataset=dataset, actor=ada, pictures=[dataset.pictures.get(path="01.png").public_id])
    default_storage.delete(taken.manifest["pictures"][0]["key"])
    with pytest.raises(DatasetGone), snapshot_folder(taken):
        pass


# Rights


def test_own_work_needs_no_licence_and_says_whose_it_is(dataset: Dataset, ada: User) -> None:
    rights = dataset_rights(snapshot_take(dataset=dataset, actor=ada))
    assert rights.components == ()
    assert rights.training_sources == ("Own work of ada, who affirmed to hold every right to it",)
    assert (rights.findings, rights.consent_ids, rights.depicts_real_person) == ((), (), False)


def test_each_licence_is_a_component_and_what_has_none_says_so(ada: User) -> None:
    dataset = make_ready(ada, pictures=5, origin="mixed", source="https://a.org\nhttps://b.org")
    change(dataset, ada, "01.png", licence_id="cc0-1.0", source="https://c.org")
    change(dataset, ada, "02.png", licence_id="cc0-1.0", depicts_person=True)
    screen(dataset)
    rights = dataset_rights(snapshot_take(dataset=dataset, actor=ada))
    found = {(part.licence_id, part.facts["pictures"]) for part in rights.components}
    assert found == {("cc0-1.0", 2), (None, 3)}
    assert {part.role for part in rights.components} == {Role.TRAINING_DATA}
    assert rights.training_sources == ("https://a.org", "https://b.org", "https://c.org")
    assert rights.depicts_real_person


def test_licence_named_for_one_picture_makes_it_anothers(dataset: Dataset, ada: User) -> None:
    change(dataset, ada, "01.png", licence_id="cc-by-4.0")
    screen(dataset)
    rights = dataset_rights(snapshot_take(dataset=dataset, actor=ada))
    assert [(part.licence_id, part.facts["pictures"]) for part in rights.components] == [("cc-by-4.0", 1)]


def test_empty_dataset_has_its_obstacles_in_words(ada: User) -> None:
    dataset = make_dataset(ada)
    assert len(obstacles(dataset)) == 2
