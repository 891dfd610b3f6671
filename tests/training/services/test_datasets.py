"""Datasets made and declared: who may, what is missing, and what a change sets in motion."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.models import AuditEntry
from registry.services.uploads import quota_left
from tests.factories.accounts import make_organisation, make_user
from tests.factories.datasets import bring, draft, make_dataset, make_ready, photo, screen
from training.errors import DatasetDeclaration, DatasetNameTaken
from training.models import DatasetStatement, DatasetWork, PictureState
from training.services.datasets import current_statement, dataset_create, dataset_update

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def test_dataset_keeps_what_was_said_and_affirmed(ada: User) -> None:
    made = make_dataset(ada, trigger="  sks  dog ", title="", class_word="dog", purpose="object")
    assert (made.title, made.trigger, made.class_word, made.purpose) == ("leaves", "sks dog", "dog", "object")
    assert made.rights_statement == current_statement()
    assert made.rights_affirmed_at is not None
    entry = AuditEntry.objects.latest("sequence")
    assert (entry.action, entry.subject_id) == ("dataset.created", str(made.pk))
    assert "sks" not in str(entry.data)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rights_edition": "2020-01"}, "edition"),
        ({"rights_edition": ""}, "edition"),
        ({"name": "Bad Name"}, "name"),
        ({"name": "-x"}, "name"),
        ({"purpose": "fun"}, "One of"),
        ({"origin": "found"}, "One of"),
        ({"origin": "licensed"}, "licence"),
        ({"origin": "licensed", "licence_id": "cc0-1.0"}, "where"),
        ({"licence_id": "no-such-licence"}, "catalogue"),
    ],
)
def test_incomplete_declaration_is_refused_and_leaves_nothing(ada: User, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DatasetDeclaration, match=named):
        dataset_create(actor=ada, owner=ada.namespace, draft=draft(**changes))
    assert not ada.namespace.datasets.exists()


def test_name_is_taken_once_in_a_namespace(ada: User) -> None:
    make_dataset(ada)
    with pytest.raises(DatasetNameTaken):
        make_dataset(ada)
    assert make_dataset(make_user("bob")).name == "leaves"


def test_members_make_datasets_of_their_organisation_and_strangers_do_not(ada: User) -> None:
    people = {role: make_user(role) for role in ("reader", "member")}
    make_organisation(ada, "studio", people)
    studio = Namespace.objects.get(slug="studio")
    made = dataset_create(actor=people["member"], owner=studio, draft=draft())
    assert str(made) == "studio/leaves"
    for person in (people["reader"], make_user("eve")):
        with pytest.raises(NotPermitted):
            dataset_create(actor=person, owner=studio, draft=draft("other"))


def test_affirmed_statement_never_changes() -> None:
    made = current_statement()
    assert made == current_statement()
    with pytest.raises(DatabaseError), transaction.atomic():
        DatasetStatement.objects.filter(pk=made.pk).update(text="something else")


def test_change_of_the_declaration_has_everything_checked_again(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    assert dataset.screened_at is not None
    dataset_update(dataset=dataset, actor=ada, changes={"description": "Now with words."})
    dataset.refresh_from_db()
    assert dataset.screened_at is None
    assert dataset.jobs.filter(kind=DatasetWork.SCREEN, state="queued").count() == 1
    assert set(dataset.pictures.values_list("state", flat=True)) == {PictureState.OK}, "pixels are as they were"
    screen(dataset)
    assert dataset.screened_at is not None


def test_field_that_is_nobodys_to_change_is_refused(ada: User) -> None:
    with pytest.raises(DatasetDeclaration, match="state"):
        dataset_update(dataset=make_dataset(ada), actor=ada, changes={"state": "deleted"})


def test_share_set_aside_follows_the_wish(ada: User) -> None:
    dataset = make_ready(ada, pictures=6)
    assert dataset.pictures.filter(is_validation=True).count() == 1
    dataset_update(dataset=dataset, actor=ada, changes={"validation_share": 0.5})
    assert dataset.pictures.filter(is_validation=True).count() == 3
    with pytest.raises(DatasetDeclaration):
        dataset_update(dataset=dataset, actor=ada, changes={"validation_share": 0.9})


def test_pictures_count_against_the_quota(ada: User) -> None:
    before = quota_left(namespace=ada.namespace)
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    stored = sum(row.size for row in dataset.pictures.all())
    assert stored > 0
    assert quota_left(namespace=ada.namespace) == before - stored


def test_title_that_is_taken_away_is_the_name_again(ada: User) -> None:
    changes = {"title": "", "trigger": "  sks  dog "}
    changed = dataset_update(dataset=make_dataset(ada, title="Leaves of ours"), actor=ada, changes=changes)
    assert (changed.title, changed.trigger) == ("leaves", "sks dog")


def test_pictures_are_kept_two_years_at_most(ada: User) -> None:
    dataset = make_dataset(ada)
    with pytest.raises(DatasetDeclaration, match="days from now"):
        dataset_update(dataset=dataset, actor=ada, changes={"keep_until": timezone.now() + timedelta(days=800)})
    dataset_update(dataset=dataset, actor=ada, changes={"keep_until": timezone.now() + timedelta(days=700)})
