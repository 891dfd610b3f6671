"""Datasets by the API: from the first call to the snapshot, with a token, and what others get."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Namespace, User
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.datasets import bring, draft, make_dataset, make_ready, photo, screen, upload_of
from training.models import Dataset, DatasetJob
from training.services.datasets import EDITION, dataset_create
from training.services.import_running import import_run

pytestmark = pytest.mark.django_db
HOME = "/api/v1/datasets/ada/leaves"


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


class Api:
    """A client with a token."""

    def __init__(self, user: User, scopes: list[str] | None = None) -> None:
        self._client = Client(headers={"Authorization": f"Bearer {make_token(user, scopes)[1]}"})

    def __call__(self, method: str, path: str, data: Any = None, status: int = 200) -> Any:
        sent = {} if data is None else {"data": data, "content_type": "application/json"}
        answer = getattr(self._client, method)(path, **sent)
        assert answer.status_code == status, answer.content if not answer.streaming else answer
        return answer if answer.streaming or not answer.content else answer.json()


@pytest.fixture
def api(ada: User) -> Api:
    return Api(ada)


@pytest.mark.slow
def test_whole_way_from_nothing_to_a_snapshot(api: Api, ada: User) -> None:
    statement = api("get", "/api/v1/dataset-statement")
    body = {"name": "leaves", "trigger": "sks", "purpose": "style", "rights_edition": statement["edition"]}
    made = api("post", "/api/v1/datasets", body, 201)
    assert (made["owner"], made["trigger"], made["origin"]) == ("ada", "sks", "own")
    files = [{"upload": str(upload_of(ada, f"{n}.png", photo(n)).pk), "path": f"images/{n}.png"} for n in range(1, 6)]
    job = api("post", f"{HOME}/imports", {"files": files}, 202)
    assert (job["kind"], job["state"], job["total"]) == ("import", "queued", 5)
    import_run(job_id=job["id"])
    screen(Dataset.objects.get())
    assert {(one["kind"], one["state"]) for one in api("get", f"{HOME}/jobs")} == {
        ("import", "done"),
        ("screen", "done"),
    }
    found = api("get", HOME)
    assert (found["counts"]["total"], found["obstacles"]) == (5, [])
    report = api("get", f"{HOME}/report?side=512&shown=100")
    assert report["pictures"] == 4
    assert {one["code"] for one in report["advice"]} >= {"few-pictures", "caption-missing"}
    assert report["forecast"]["underfitting"] == "high"
    snapshot = api("post", f"{HOME}/snapshots", None, 201)
    assert (snapshot["pictures"], snapshot["validation"], len(snapshot["digest"])) == (4, 1, 64)
    assert [one["digest"] for one in api("get", f"{HOME}/snapshots")] == [snapshot["digest"]]
    assert len(api("get", "/api/v1/datasets")) == 1


def test_pictures_are_listed_changed_fetched_and_deleted(api: Api, ada: User) -> None:
    make_ready(ada, pictures=4)
    rows = api("get", f"{HOME}/pictures")
    assert [row["path"] for row in rows] == ["01.png", "02.png", "03.png", "04.png"]
    assert [row["path"] for row in api("get", f"{HOME}/pictures?after=03.png")] == ["04.png"]
    assert len(api("get", f"{HOME}/pictures?show=validation")) == 1
    one = f"/api/v1/dataset-pictures/{rows[0]['id']}"
    changed = api(
        "patch", one, {"caption": "sks, new", "caption_was": rows[0]["caption"], "repeats": 3, "left_out": True}
    )
    assert (changed["caption"], changed["repeats"], changed["left_out"], changed["state"]) == (
        "sks, new",
        3,
        True,
        "waiting",
    )
    assert api("patch", one, {"caption": "x", "caption_was": "stale"}, 409)["code"] == "edit-conflict"
    assert api("patch", one, {"licence_id": "nothing"}, 422)["code"] == "declaration-incomplete"
    answer = api("get", f"{one}/content")
    assert answer["Content-Type"] == "image/png"
    assert b"".join(answer).startswith(b"\x89PNG")
    api("delete", one, None, 204)
    api("get", one, None, 404)


def test_captions_are_previewed_applied_and_undone(api: Api, ada: User) -> None:
    make_ready(ada, pictures=3)
    rule = {"kind": "append", "put": "on grass"}
    preview = api("post", f"{HOME}/captions", rule)
    assert len(preview["changes"]) == 3
    assert preview["changes"][0]["after"].endswith(", on grass")
    edit = api("post", f"{HOME}/captions", {**rule, "shown": preview["digest"]}, 201)
    assert edit["count"] == 3
    undone = api("post", f"{HOME}/captions/{edit['id']}/undo")
    assert undone["undone_at"]
    assert api("post", f"{HOME}/captions/{edit['id']}/undo", None, 409)["code"] == "edit-conflict"
    assert len(api("get", f"{HOME}/captions")) == 1
    assert api("post", f"{HOME}/captions", {"kind": "replace"}, 422)["code"] == "edit-refused"
    assert api("post", f"{HOME}/captions", {"kind": "captioner"}, 400)["errors"]


def test_captioner_is_asked(api: Api, ada: User) -> None:
    make_ready(ada, pictures=3)
    assert api("post", f"{HOME}/captioner", {"captioner": "shapes", "mode": "all"}, 202)["kind"] == "caption"
    assert api("post", f"{HOME}/captioner", {"captioner": "shapes"}, 409)["code"] == "dataset-busy"
    assert api("post", f"{HOME}/captioner", {"captioner": "none"}, 422)["code"] == "captioner-missing"


def test_refusals_are_problems_with_what_to_do(api: Api, ada: User) -> None:
    make_dataset(ada)
    problem = api("post", f"{HOME}/snapshots", None, 409)
    assert (problem["code"], len(problem["obstacles"])) == ("snapshot-refused", 2)
    assert problem["remedy"]
    old = api("post", "/api/v1/datasets", {"name": "x", "rights_edition": "1999"}, 422)
    assert EDITION in old["remedy"]
    assert api("post", "/api/v1/datasets", {"name": "leaves", "rights_edition": EDITION}, 409)["code"] == "name-taken"
    assert api("post", "/api/v1/datasets", {"name": "x", "rights_edition": EDITION, "owner": "eve"}, 403)
    assert api("post", f"{HOME}/imports", {"files": []}, 400)["errors"]


def test_dataset_is_edited_and_deleted(api: Api, ada: User) -> None:
    make_ready(ada, pictures=3)
    assert api("patch", HOME, {"title": "New", "validation_share": 0})["title"] == "New"
    deletion = api("delete", HOME)
    assert (deletion["pictures"], len(deletion["digest"]), deletion["proved_at"]) == (3, 64, None)
    api("get", HOME, None, 404)


def test_nobody_elses_dataset_is_there(api: Api, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    picture = dataset.pictures.all()[0].public_id
    eve = Api(make_user("eve"))
    for path in ("", "/pictures", "/report", "/jobs", "/snapshots", "/captions"):
        theirs, absent = (
            eve("get", HOME + path, None, 404),
            eve("get", "/api/v1/datasets/ada/nothing" + path, None, 404),
        )
        assert str(theirs).replace("leaves", "nothing") == str(absent)
    eve("get", f"/api/v1/dataset-pictures/{picture}", None, 404)
    eve("get", f"/api/v1/dataset-pictures/{picture}/content", None, 404)
    assert Client().get(HOME).status_code == 401
    assert Client().get(f"/api/v1/dataset-pictures/{picture}/content").status_code == 401


def test_reading_token_changes_nothing(ada: User) -> None:
    make_ready(ada, pictures=3)
    reading = Api(ada, ["read"])
    reading("get", HOME)
    reading("patch", HOME, {"title": "x"}, 403)
    reading("post", f"{HOME}/snapshots", None, 403)
    reading("delete", HOME, None, 403)
    assert not DatasetJob.objects.filter(kind="caption").exists()


def test_member_says_nothing_about_rights_in_pictures_of_anothers_set() -> None:
    owner, member = make_user("owner"), make_user("member")
    make_organisation(owner, "studio", {"member": member})
    dataset = dataset_create(actor=owner, owner=Namespace.objects.get(slug="studio"), draft=draft())
    bring(dataset, {"a-glazed.png": photo(1)})
    picture = dataset.pictures.get()
    theirs, managers = Api(member), Api(owner)
    one = f"/api/v1/dataset-pictures/{picture.public_id}"
    rights = {"protection": "", "licence_id": "cc0-1.0", "source": "x", "depicts_person": False, "consent": None}
    for field, value in rights.items():
        theirs("patch", one, {"caption": "sks", field: value}, 403)
    picture.refresh_from_db()
    assert (picture.protection, picture.caption) == ("glaze", "")
    assert theirs("patch", one, {"repeats": 3, "caption": "sks"})["repeats"] == 3
    assert managers("patch", one, {"protection": ""})["protection"] == ""
