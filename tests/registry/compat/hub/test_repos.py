"""Repositories by the protocol: made, moved, deleted, hidden, with their branches and tags."""

from urllib.parse import quote

import pytest

from accounts.models import User
from registry.models import Adapter, Version
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import catalogue, inspect_and_screen
from tests.registry.compat.hub.calls import Hub, card, small

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    catalogue()
    return make_user("ada")


@pytest.fixture
def hub(ada: User) -> Hub:
    client = Hub(ada)
    client.create()
    return client


def _publish(hub: Hub, repo: str = "ada/shapes") -> Version:
    hub.commit(repo, small("README.md", card()))
    hub.put_weights(repo)
    version = Version.objects.get()
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED
    return version


def test_repository_is_made_once_and_the_conflict_names_it(hub: Hub) -> None:
    assert Adapter.objects.get().refs.get().revision.entries.count() == 0
    again = hub.create("Shapes")
    assert again.status_code == 409
    assert again.json()["url"] == "http://testserver/ada/shapes"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "public"),
        ({"private": True}, "private"),
        ({"visibility": "private"}, "private"),
        ({"private": False}, "public"),
    ],
)
def test_private_is_what_the_client_asked_for(ada: User, asked: dict[str, object], expected: str) -> None:
    assert Hub(ada).create("mine", **asked).status_code == 200
    assert Adapter.objects.get(name="mine").visibility == expected


def test_private_repository_of_an_organisation_is_its_members(ada: User) -> None:
    make_organisation(ada, "studio")
    assert Hub(ada).create("ours", organization="studio", private=True).status_code == 200
    assert Adapter.objects.get(name="ours").visibility == "organisation"
    assert Hub(make_user("eve")).create("theirs", organization="studio").status_code == 403


def test_spaces_are_not_made_here(hub: Hub) -> None:
    assert hub.create("data", type="space").status_code == 501
    assert hub.create("data", type="nothing").status_code == 400


def test_moved_repository_is_found_under_its_former_name_by_who_may_read_it(hub: Hub) -> None:
    body = {"fromRepo": "ada/shapes", "toRepo": "ada/forms", "type": "model"}
    assert hub.call("POST", "/api/repos/move", body).status_code == 200
    found = hub.call("GET", "/api/models/ada/shapes/refs?include_prs=1")
    assert (found.status_code, found["Location"]) == (307, "/api/models/ada/forms/refs?include_prs=1")
    assert hub.call("GET", found["Location"]).status_code == 200
    assert Hub(make_user("eve")).call("GET", "/api/models/ada/shapes/refs").status_code == 404
    assert hub.create("shapes").status_code == 200  # the name is free, and no longer leads away
    assert hub.call("GET", "/api/models/ada/shapes/refs").status_code == 200


def test_nothing_moves_onto_another_or_to_where_one_may_not(hub: Hub) -> None:
    hub.create("other")
    make_user("eve")
    for target, status in (("ada/other", 409), ("eve/shapes", 403), ("ada/..", 422)):
        body = {"fromRepo": "ada/shapes", "toRepo": target, "type": "model"}
        assert hub.call("POST", "/api/repos/move", body).status_code == status, target


def test_deleted_repository_is_gone_and_what_was_public_leaves_its_notice(hub: Hub) -> None:
    version = _publish(hub)
    assert hub.call("DELETE", "/api/repos/delete", {"name": "shapes", "type": "model"}).status_code == 200
    version.refresh_from_db()
    assert version.state == VersionState.WITHDRAWN
    assert hub.call("GET", "/api/models/ada/shapes").status_code == 404
    assert hub.client.get("/ada/shapes/v/1").status_code == 200
    assert hub.create("shapes").status_code == 409


def test_deleted_repository_that_nobody_saw_gives_its_name_back(hub: Hub) -> None:
    hub.put_weights("ada/shapes")
    assert hub.call("DELETE", "/api/repos/delete", {"name": "ada/shapes", "type": "model"}).status_code == 200
    assert hub.create("shapes").status_code == 200


def test_settings_hide_and_ask_for_the_owners_word(hub: Hub) -> None:
    assert hub.call("PUT", "/api/models/ada/shapes/settings", {"private": True}).status_code == 200
    assert hub.call("PUT", "/api/models/ada/shapes/settings", {"gated": "manual"}).status_code == 200
    adapter = Adapter.objects.get()
    assert (adapter.visibility, adapter.access) == ("private", "granted")
    hub.call("PUT", "/api/models/ada/shapes/settings", {"visibility": "public", "gated": False})
    adapter.refresh_from_db()
    assert (adapter.visibility, adapter.access) == ("public", "terms")
    assert hub.call("PUT", "/api/models/ada/shapes/settings", {"gated": "sometimes"}).status_code == 400


def _branch(hub: Hub, method: str, name: str, word: str = "branch", body: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
    raw = f"/api/models/ada/shapes/{word}/{quote(name, safe='')}"
    return hub.call(method, raw, body or {})


def test_branches_are_made_committed_to_and_deleted(hub: Hub) -> None:
    assert _branch(hub, "POST", "try/this").status_code == 200
    taken = _branch(hub, "POST", "try/this")
    assert taken.status_code == 409
    assert taken.json()["error"].startswith("Reference refs/heads/try/this already exists")
    answer = hub.commit("ada/shapes", small("a.txt", b"a"), rev="try%2Fthis")
    assert answer.status_code == 200, answer.content
    assert Adapter.objects.get().refs.get(name="main").revision.entries.count() == 0
    assert _branch(hub, "DELETE", "try/this").status_code == 200
    assert _branch(hub, "DELETE", "try/this").status_code == 404
    assert _branch(hub, "DELETE", "main").status_code == 400


def test_tags_are_made_and_deleted(hub: Hub) -> None:
    assert _branch(hub, "POST", "main", "tag", {"tag": "v1", "message": "m"}).status_code == 200
    assert _branch(hub, "POST", "main", "tag", {"tag": "v1"}).status_code == 409
    assert _branch(hub, "POST", "nowhere", "tag", {"tag": "v2"}).status_code == 404
    assert _branch(hub, "DELETE", "v1", "tag").status_code == 200


@pytest.mark.parametrize("name", ["ab" * 20, "a..b", "-a", "a b", "a.lock", "a/", "ä", "x" * 201])
def test_name_that_is_none_is_refused(hub: Hub, name: str) -> None:
    assert _branch(hub, "POST", "main", "tag", {"tag": name}).status_code == 400


def test_preupload_says_how_each_file_comes_and_what_is_left_out(hub: Hub) -> None:
    hub.commit("ada/shapes", small("a.txt", b"a"))
    files = [{"path": path, "sample": "", "size": 5} for path in ("a.txt", "b.safetensors", "c.png")]
    files.append({"path": "large.json", "sample": "", "size": 10**7})
    answer = hub.call("POST", "/api/models/ada/shapes/preupload/main", {"files": files})
    found = {
        file["path"]: (file["uploadMode"], file["shouldIgnore"], bool(file["oid"])) for file in answer.json()["files"]
    }
    assert found == {
        "a.txt": ("regular", False, True),
        "b.safetensors": ("lfs", False, False),
        "c.png": ("lfs", True, False),
        "large.json": ("regular", True, False),
    }
    assert "c.png" in answer["X-HF-Warning"]
