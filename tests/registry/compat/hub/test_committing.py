"""Commits by the protocol: what they make, what they refuse, and what they tell."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.models import User
from governance.services import audited
from registry.models import Adapter, Arrival, Revision, Version
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import catalogue, inspect_and_screen
from tests.registry.compat.hub.calls import Hub, card, copied, large, removed, removed_folder, small
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    catalogue()
    return make_user("ada")


@pytest.fixture
def hub(ada: User) -> Hub:
    client = Hub(ada)
    assert client.create().status_code == 200
    return client


def _tree(repo: str = "shapes") -> set[str]:
    adapter = Adapter.objects.get(name=repo)
    return set(adapter.refs.get(name="main").revision.entries.values_list("path", flat=True))


def test_commit_with_a_whole_card_makes_a_version_that_the_checks_publish(hub: Hub) -> None:
    answer = hub.commit("ada/shapes", small("README.md", card()))
    assert answer.status_code == 200, answer.content
    answer = hub.put_weights("ada/shapes")
    assert answer.status_code == 200, answer.content
    version = Version.objects.get()
    assert (version.state, version.base_model.slug, version.licence_id) == ("scanning", "tinybase", "apache-2.0")
    assert version.trigger_words == ["a zeb drawing"]
    assert version.rights_affirmed_at is not None
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED
    assert version.revision is not None
    assert version.revision.sha == answer.json()["commitOid"]
    page = urlsplit(answer.json()["commitUrl"]).path  # clients print it
    assert Client().get(page)["Location"] == "/ada/shapes/v/1"
    assert Client().get("/ada/shapes/blob/main/shapes.safetensors")["Location"] == "/ada/shapes"
    assert version.files.get().path == "shapes.safetensors"
    assert Revision.objects.filter(adapter=version.adapter).count() == 3  # the first, the card, the weights
    assert Adapter.objects.get().description == "# Shapes\n\nMany shapes."
    assert Adapter.objects.get().tag_names == ["shapes"]


def test_weights_without_a_card_wait_and_the_answer_says_for_what_and_where(hub: Hub, ada: User) -> None:
    answer = hub.put_weights("ada/shapes")
    assert answer.status_code == 200
    arrival = Arrival.objects.get()
    page = f"http://testserver/account/arrivals/{arrival.pk}"
    assert not Version.objects.exists()
    for said in (answer["X-HF-Warning"], answer.json()["hookOutput"]):
        assert page in said
        for name in ("base_model", "license", "training_sources", "depicts_real_person", "rights_statement"):
            assert name in said
    hub.client.force_login(ada)
    form = hub.client.get(f"/account/arrivals/{arrival.pk}", follow=True)
    assert form.status_code == 200
    assert str(Arrival.objects.get().upload_id) in form.content.decode()


def test_a_later_card_completes_what_waits(hub: Hub) -> None:
    hub.put_weights("ada/shapes")
    answer = hub.commit("ada/shapes", small("README.md", card()))
    assert "version 1" in answer["X-HF-Warning"]
    version = Version.objects.get()
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED
    hub.commit("ada/shapes", small("README.md", card() + b"More."))
    assert Version.objects.count() == 1


def test_form_completes_what_waits(hub: Hub, ada: User) -> None:
    hub.put_weights("ada/shapes")
    hub.client.force_login(ada)
    arrival = Arrival.objects.get()
    place = hub.client.get(f"/account/arrivals/{arrival.pk}")["Location"]
    form = hub.client.get(place).context["form"]
    sent = {
        "owner": arrival.adapter.owner_id, "name": "shapes", "title": "Shapes", "visibility": "public",
        "content_level": "general", "base_model": "tinybase", "licence": "apache-2.0", "strength": "1",
        "training_sources": "Mine.", "depicts_real_person": "no", "rights": "on",
        "rights_edition": form["rights_edition"].value(), "upload_id": str(form["upload_id"].value()),
        "relation": "merge", "credit_required": "on",
    }  # fmt: skip
    answer = hub.client.post("/upload", sent)
    assert answer.status_code == 302, answer.context and answer.context["form"].errors
    version = Version.objects.get()
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED
    assert version.revision == arrival.revision
    again = hub.client.get(f"/account/arrivals/{arrival.pk}")
    assert again["Location"] == "/ada/shapes/v/1"


def test_card_that_claims_what_the_base_forbids_is_refused_with_the_reason(hub: Hub) -> None:
    wrong = card(base="stabilityai/sdxl-turbo", licence="mit")
    answer = hub.commit("ada/shapes", small("README.md", wrong))
    assert answer.status_code == 400
    assert "stays under this agreement" in answer.json()["error"]
    assert "stays under this agreement" in answer["X-Error-Message"]
    assert _tree() == set()
    told = hub.call("POST", "/api/validate-yaml", {"content": wrong.decode(), "repoType": "model"})
    assert told.status_code == 400
    assert "stays under this agreement" in told.json()["errors"][0]["message"]


def test_what_was_refused_for_its_declaration_is_tried_again_when_that_is_corrected(hub: Hub) -> None:
    hub.commit("ada/shapes", small("README.md", card(base="sd-1-5")))
    hub.put_weights("ada/shapes")
    first = Version.objects.get()
    with audited():
        version_transition(version=first, to=VersionState.REFUSED, actor=None, detail={"code": "a-fault"})
    hub.commit("ada/shapes", small("README.md", card(base="sd-1-5") + b"Only words."))
    assert Version.objects.count() == 1
    hub.commit("ada/shapes", small("README.md", card()))
    second = Version.objects.get(number=2)
    inspect_and_screen(version_id=second.pk)
    second.refresh_from_db()
    assert second.state == VersionState.PUBLISHED


def test_stale_parent_is_412_and_the_right_one_is_taken(hub: Hub) -> None:
    first = hub.commit("ada/shapes", small("a.txt", b"one")).json()["commitOid"]
    second = hub.commit("ada/shapes", small("a.txt", b"two"), parent=first)
    assert second.status_code == 200
    stale = hub.commit("ada/shapes", small("a.txt", b"three"), parent=first)
    assert stale.status_code == 412
    head = Adapter.objects.get().refs.get(name="main").revision
    assert head.sha == second.json()["commitOid"]


def test_files_and_folders_are_deleted_and_history_stays(hub: Hub) -> None:
    hub.commit("ada/shapes", small("a.txt", b"a"), small("b/c.txt", b"c"), small("b/d/e.txt", b"e"))
    before = Adapter.objects.get().refs.get(name="main").revision
    assert hub.commit("ada/shapes", removed("a.txt"), removed_folder("b/d/")).status_code == 200
    assert _tree() == {"b/c.txt"}
    assert before.entries.count() == 3
    assert hub.commit("ada/shapes", removed("a.txt")).status_code == 400
    assert hub.commit("ada/shapes", removed_folder("nowhere")).status_code == 400


def test_tree_tells_the_last_change_of_each_file_and_folder(hub: Hub) -> None:
    first = hub.commit("ada/shapes", small("notes/a.txt", b"1"), small("notes/b.txt", b"1")).json()["commitOid"]
    second = hub.commit("ada/shapes", small("notes/b.txt", b"2")).json()["commitOid"]
    third = hub.commit("ada/shapes", small("other.txt", b"3")).json()["commitOid"]
    tree = hub.call("GET", "/api/models/ada/shapes/tree/main?recursive=true&expand=true").json()
    told = {row["path"]: row["lastCommit"]["id"] for row in tree}
    wanted = {"notes": second, "notes/a.txt": first, "notes/b.txt": second, "other.txt": third}
    assert {path: told[path] for path in wanted} == wanted
    asked = {"paths": ["notes/a.txt"], "expand": True}
    [row] = hub.call("POST", "/api/models/ada/shapes/paths-info/main", asked).json()
    assert row["lastCommit"]["id"] == first


def test_same_content_makes_no_revision(hub: Hub) -> None:
    first = hub.commit("ada/shapes", small("a.txt", b"a")).json()["commitOid"]
    assert hub.commit("ada/shapes", small("a.txt", b"a")).json()["commitOid"] == first


@pytest.mark.parametrize(
    "path", ["../a.txt", "/a.txt", "a//b.txt", "a/./b.txt", ".git/config.txt", "a\\b.txt", "", "a\x07.txt", "x" * 501]
)
def test_path_that_is_none_is_refused(hub: Hub, path: str) -> None:
    answer = hub.commit("ada/shapes", small(path, b"a"))
    assert answer.status_code == 400
    assert _tree() == set()


@pytest.mark.parametrize(("path", "content"), [("a.png", b"\x89PNG"), ("a.txt", b"\xff\xfe"), ("a.json", b"a\0b")])
def test_what_nobody_screens_is_refused(hub: Hub, path: str, content: bytes) -> None:
    assert hub.commit("ada/shapes", small(path, content)).status_code == 400


def test_file_cannot_be_a_folder_too(hub: Hub) -> None:
    assert hub.commit("ada/shapes", small("a.txt", b"a"), small("a.txt/b.txt", b"b")).status_code == 400


def test_bytes_that_were_sent_to_another_repository_are_not_taken(hub: Hub) -> None:
    hub.create("other")
    content = lora_bytes()
    oid = hub.send("ada/other", content)
    assert hub.commit("ada/other", large("a.safetensors", oid, len(content))).status_code == 200
    answer = hub.commit("ada/shapes", large("a.safetensors", oid, len(content)))
    assert answer.status_code == 400
    assert "did not arrive" in answer.json()["error"]


def test_member_brings_weights_and_maintainers_change_texts(ada: User) -> None:
    bea = make_user("bea")
    make_organisation(ada, "studio", {"member": bea})
    owner, member = Hub(ada), Hub(bea)
    owner.create(organization="studio")
    assert owner.commit("studio/shapes", small("README.md", card()), small("b.txt", b"b")).status_code == 200
    assert member.put_weights("studio/shapes").status_code == 200
    for change in (small("README.md", card() + b"x"), removed("b.txt")):
        answer = member.commit("studio/shapes", change)
        assert answer.status_code == 403, answer.content
    assert _tree() == {"README.md", "b.txt", "shapes.safetensors"}


def test_strangers_guests_and_reading_tokens_cannot_commit(hub: Hub, ada: User) -> None:
    change = small("a.txt", b"a")
    assert Hub(make_user("eve")).commit("ada/shapes", change).status_code == 404
    assert Hub(None).commit("ada/shapes", change).status_code == 401
    assert Hub(ada, ["read"]).commit("ada/shapes", change).status_code == 403
    assert _tree() == set()


def test_pull_requests_are_not_offered(hub: Hub) -> None:
    answer = hub.call("POST", "/api/models/ada/shapes/commit/main?create_pr=1", raw=b"")
    assert answer.status_code == 501


def test_unknown_branch_is_revision_not_found(hub: Hub) -> None:
    answer = hub.commit("ada/shapes", small("a.txt", b"a"), rev="nowhere")
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")


def test_two_files_of_weights_become_two_versions(hub: Hub) -> None:
    hub.commit("ada/shapes", small("README.md", card()))
    one, two = lora_bytes(seed=1), lora_bytes(seed=2)
    changes = [
        large(f"{name}.safetensors", hub.send("ada/shapes", raw), len(raw)) for name, raw in (("a", one), ("b", two))
    ]
    assert hub.commit("ada/shapes", *changes).status_code == 200
    assert Version.objects.count() == 2


def test_small_files_count_against_the_quota(hub: Hub, settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 1000
    assert hub.commit("ada/shapes", small("a.txt", b"a" * 600)).status_code == 200
    answer = hub.commit("ada/shapes", small("b.txt", b"b" * 600))
    assert answer.status_code == 413
    assert _tree() == {"a.txt"}


def test_copy_stands_beside_its_source_and_brings_no_version(hub: Hub) -> None:
    hub.put_weights("ada/shapes")
    first = hub.commit("ada/shapes", small("a.txt", b"one")).json()["commitOid"]
    hub.commit("ada/shapes", small("a.txt", b"two"))
    changes = [
        copied("b/x.safetensors", "shapes.safetensors"),
        copied("now.txt", "a.txt"),
        copied("old.txt", "a.txt", first),
    ]
    assert hub.commit("ada/shapes", *changes).status_code == 200
    blobs = dict(Adapter.objects.get().refs.get(name="main").revision.entries.values_list("path", "blob__sha256"))
    assert blobs["b/x.safetensors"] == blobs["shapes.safetensors"]
    assert blobs["now.txt"] == blobs["a.txt"] != blobs["old.txt"]
    assert Arrival.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        copied("b.txt", "nothing.txt"),
        copied("b.txt", "shapes.safetensors"),  # weights pass the gate, texts do not
        copied("b.safetensors", "a.txt"),
        copied("b.png", "a.txt"),
        copied("b.txt", "a.txt", "nowhere"),
        copied("../b.txt", "a.txt"),
        copied("b.txt", "../a.txt"),
        {"key": "copyFile", "value": {"path": "b.txt", "srcPath": "a.txt", "srcRepo": "bea/other"}},
    ],
    ids=str,
)
def test_copy_of_what_is_not_there_or_of_another_kind_is_refused(hub: Hub, change: dict[str, Any]) -> None:
    hub.put_weights("ada/shapes")
    hub.commit("ada/shapes", small("a.txt", b"one"))
    assert hub.commit("ada/shapes", change).status_code in {400, 404}
    assert _tree() == {"shapes.safetensors", "a.txt"}


def test_gitignore_leaves_out_what_it_names_and_the_client_says_it_or_the_repository_has_it(hub: Hub) -> None:
    files = [{"path": path, "size": 5, "sample": ""} for path in ("a.txt", "logs/b.txt", "keep.txt", "c.png")]

    def left_out(**more: str) -> list[str]:
        answer = hub.call("POST", "/api/models/ada/shapes/preupload/main", {"files": files, **more})
        return [file["path"] for file in answer.json()["files"] if file["shouldIgnore"]]

    assert left_out() == ["c.png"]
    assert left_out(gitIgnore="logs/\n*.txt\n!keep.txt") == ["a.txt", "logs/b.txt", "c.png"]
    hub.commit("ada/shapes", small(".gitignore", b"/a.txt\n"))
    assert left_out() == ["a.txt", "c.png"]
    assert left_out(gitIgnore="") == ["c.png"]
    answer = hub.call("POST", "/api/models/ada/shapes/preupload/main", {"files": files, "gitIgnore": "a\n" * 1000})
    assert answer.status_code == 400
