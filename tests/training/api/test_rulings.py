"""Moderators decide by the API about what waits for them, and nobody else does."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.factories.accounts import make_token, make_user
from tests.factories.datasets import bring, make_dataset, make_ready, photo
from tests.factories.registry import catalogue
from tests.factories.training import make_run
from training.models import DatasetJob, DatasetPicture, PictureState
from training.services.retention import dataset_delete, deletions_prove

pytestmark = pytest.mark.django_db
FOUND = {"check": "names", "code": "optout-name", "message": "A name.", "facts": {"entry": "e"}}
BASE = "/api/v1"


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


def ask(user: User, method: str, path: str, data: Any = None) -> Any:
    client = Client(headers={"Authorization": f"Bearer {make_token(user)[1]}"})
    sent = {} if data is None else {"data": data, "content_type": "application/json"}
    return getattr(client, method)(BASE + path, **sent)


def held(owner: User) -> DatasetPicture:
    dataset = make_dataset(owner)
    bring(dataset, {"a.png": photo(1)})
    dataset.pictures.update(state=PictureState.HELD, findings=[FOUND])
    return dataset.pictures.get()


@pytest.mark.parametrize(("verdict", "state"), [("allow", PictureState.OK), ("refuse", PictureState.REFUSED)])
def test_a_held_picture_is_decided_and_what_follows_is_said(verdict: str, state: PictureState) -> None:
    picture = held(make_user("ada"))
    mo = make_user("mo", is_moderator=True)
    body = {"verdict": verdict, "reasoning": "Seen, with the artist's letter."}
    path = f"/dataset-pictures/{picture.public_id}/ruling"
    assert ask(make_user("eve"), "post", path, body).status_code == 404
    assert ask(picture.dataset.created_by, "post", path, body).status_code == 403
    answer = ask(mo, "post", path, body)
    assert answer.status_code == 201, answer.content
    picture.refresh_from_db()
    assert picture.state == state
    assert answer.json()["outcome"] == {"allow": "allow", "refuse": "deny"}[verdict]
    assert ("checked once more" if verdict == "allow" else "leaves it out") in answer.json()["next"]
    if verdict == "refuse":
        assert "Leave it out" in picture.findings[-1]["message"], "its owner reads what to do"


def test_what_was_found_about_a_set_is_let_pass() -> None:
    ada, mo = make_user("ada"), make_user("mo", is_moderator=True)
    dataset = make_dataset(ada)
    dataset.findings = [FOUND]
    dataset.save()
    assert ask(ada, "post", "/datasets/ada/leaves/ruling", {"reasoning": "x"}).status_code == 403
    assert ask(mo, "post", "/datasets/ada/leaves/ruling", {"reasoning": "Its name is a plant's."}).status_code == 201
    dataset.refresh_from_db()
    assert dataset.findings == []


def test_a_run_that_waits_for_a_person_is_reviewed() -> None:
    catalogue()
    run = make_run(outcome="review")
    path = f"/training/runs/{run.public_id}/review"
    body = {"verdict": "allow", "reasoning": "Seen."}
    assert ask(run.created_by, "post", path, body).status_code == 403
    answer = ask(make_user("mo", is_moderator=True), "post", path, body)
    assert (answer.status_code, answer.json()["outcome"]) == (201, "allow")
    assert ask(make_user("mia", is_moderator=True), "post", path, body).status_code == 404, "it waits no more"


def test_checks_are_repeated_and_captioners_are_named() -> None:
    ada = make_user("ada")
    held(ada)
    DatasetJob.objects.all().delete()
    assert ask(ada, "post", "/datasets/ada/leaves/recheck").status_code == 202
    assert DatasetJob.objects.get().kind == "screen"
    offered = ask(ada, "get", "/dataset-captioners").json()
    assert "shapes" in offered["captioners"]
    assert offered["modes"] == ["missing", "all"]


def test_the_proof_of_a_deletion_is_for_those_who_manage() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=3)
    dataset_delete(dataset=dataset, actor=ada)
    dataset.pictures.all()
    assert ask(ada, "get", "/dataset-deletions").json()[0]["proved_at"] is None
    deletions_prove()
    (row,) = ask(ada, "get", "/dataset-deletions").json()
    assert row["proved_at"]
    assert (row["owner"], row["name"], row["pictures"]) == ("ada", "leaves", 3)
    assert ask(make_user("eve"), "get", "/dataset-deletions").json() == []
