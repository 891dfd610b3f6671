"""Discussions on the wire of the Hub: who is told what, and that filters, scopes and pages are heeded."""

from typing import Any

import pytest

from accounts.models import Namespace, User
from registry.models import Adapter, Discussion
from registry.services.adapters import adapter_update
from registry.services.discussions import discussion_lock_set
from tests.factories.accounts import make_user
from tests.factories.datasets import draft
from tests.factories.discussions import make_discussion, say
from tests.factories.registry import make_submitted, make_version
from tests.registry.compat.hub.calls import Hub
from tests.safetensors_bytes import lora_bytes
from training.services.datasets import dataset_create

pytestmark = pytest.mark.django_db
PLACE = "/api/models/ada/style/discussions"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def adapter(ada: User) -> Adapter:
    return make_version(actor=ada).adapter


def _numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["num"] for row in answer.json()["discussions"]]


def test_discussion_is_opened_and_read_with_its_events(adapter: Adapter, ada: User, bob: User) -> None:
    body = {"title": "Green circles", "description": "Can it?", "pullRequest": False}
    opened = Hub(bob).call("POST", PLACE, body)
    assert (opened.status_code, opened.json()["num"]) == (200, 1)
    discussion_lock_set(actor=ada, discussion=Discussion.objects.get(), locked=True)
    found = Hub(None).call("GET", f"{PLACE}/1?diff=1").json()
    assert (found["title"], found["author"]["name"], found["locked"]) == ("Green circles", "bob", True)
    assert found["repo"] == {"name": "ada/style", "type": "model"}
    first, lock = found["events"]
    assert first["data"]["latest"]["raw"] == "Can it?"
    assert first["data"]["latest"]["html"] == "<p>Can it?</p>\n"
    assert (lock["type"], lock["data"]) == ("locking-change", {"locked": True})
    assert all(int(event["id"], 16) for event in found["events"])


def test_list_is_narrowed_and_counts_the_whole(adapter: Adapter, ada: User, bob: User) -> None:
    for count in range(3):
        make_discussion(adapter, bob, title=f"By bob {count}")
    make_discussion(adapter, ada, title="By ada")
    Hub(bob).call("POST", f"{PLACE}/2/status", {"status": "closed"})
    guest = Hub(None)
    assert _numbers(guest.call("GET", PLACE)) == [4, 3, 2, 1]
    assert _numbers(guest.call("GET", f"{PLACE}?author=bob&status=open&type=discussion")) == [3, 1]
    assert _numbers(guest.call("GET", f"{PLACE}?status=closed&type=all")) == [2]
    assert _numbers(guest.call("GET", f"{PLACE}?type=pull_request")) == []
    beyond = guest.call("GET", f"{PLACE}?p=1").json()
    assert (beyond["discussions"], beyond["count"], beyond["start"]) == ([], 4, 50)


@pytest.mark.parametrize("query", ["type=issues", "status=merged"])
def test_unknown_filter_is_refused(adapter: Adapter, query: str) -> None:
    assert Hub(None).call("GET", f"{PLACE}?{query}").status_code == 400


@pytest.mark.parametrize("page", ["-1", "x", "9" * 30, "²"])
def test_page_that_is_no_number_is_the_first(adapter: Adapter, bob: User, page: str) -> None:
    make_discussion(adapter, bob)
    assert _numbers(Hub(None).call("GET", f"{PLACE}?p={page}")) == [1]


def test_writing_needs_a_token_with_its_scope(adapter: Adapter, bob: User) -> None:
    make_discussion(adapter, bob)
    comment = Discussion.objects.get().comments.get()
    calls: list[tuple[str, dict[str, Any]]] = [
        (PLACE, {"title": "Title", "description": "Words"}),
        (f"{PLACE}/1/comment", {"comment": "Words"}),
        (f"{PLACE}/1/title", {"title": "Title"}),
        (f"{PLACE}/1/status", {"status": "closed"}),
        (f"{PLACE}/1/comment/{comment.public_id.hex}/edit", {"content": "Words"}),
        (f"{PLACE}/1/comment/{comment.public_id.hex}/hide", {}),
    ]
    for path, body in calls:
        assert Hub(None).call("POST", path, body).status_code == 401, path
        assert Hub(bob, ["read", "download"]).call("POST", path, body).status_code == 403, path
    assert Discussion.objects.get().comments.get().text == comment.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"title": "ab", "description": "Words"}),
        ("", {"title": "Title"}),
        ("", {"title": ["Title"], "description": "Words"}),
        ("/1/comment", {"comment": ""}),
        ("/1/comment", {"comment": "\0"}),
        ("/1/status", {"status": "merged"}),
        ("/1/status", {"status": "open"}),
        ("/1/title", {"title": 5}),
        ("/1/nothing", {}),
        ("/1/merge", None),
        ("", {"title": "Title", "description": "Words", "pullRequest": True}),
    ],
)
def test_what_cannot_be_taken_says_so(adapter: Adapter, bob: User, path: str, body: Any) -> None:
    make_discussion(adapter, bob)
    answer = Hub(bob).call("POST", PLACE + path, body)
    assert answer.status_code in {400, 409, 422, 501}, answer.content
    assert len(answer.json()["error"]) > 15
    assert (Discussion.objects.count(), Discussion.objects.get().comment_count) == (1, 1)


def test_what_may_not_be_seen_is_absent(ada: User, bob: User) -> None:
    hidden = make_submitted(actor=ada, name="draft", content=lora_bytes(seed=2)).adapter
    make_discussion(hidden, ada)
    for path in ("discussions", "discussions/1"):
        answers = [Hub(bob).call("GET", f"/api/models/ada/{name}/{path}") for name in ("draft", "absent")]
        assert [answer.status_code for answer in answers] == [404, 404]
        said = [
            answer.json()["error"].replace(name, "x") for answer, name in zip(answers, ("draft", "absent"), strict=True)
        ]
        assert said[0] == said[1]
        assert all(answer["X-Error-Code"] == "RepoNotFound" for answer in answers)


def test_missing_discussion_is_no_missing_repository(adapter: Adapter) -> None:
    answer = Hub(None).call("GET", f"{PLACE}/7")
    assert answer.status_code == 404
    assert "X-Error-Code" not in answer


def test_switched_off_they_are_refused(adapter: Adapter, ada: User, bob: User) -> None:
    make_discussion(adapter, bob)
    adapter_update(actor=ada, adapter=adapter, discussions_on=False)
    for method, path in (("GET", PLACE), ("GET", f"{PLACE}/1"), ("POST", f"{PLACE}/1/comment")):
        answer = Hub(bob).call(method, path, {"comment": "Words"} if method == "POST" else None)
        assert answer.status_code == 403
        assert "switched off" in answer.json()["error"]


def test_comment_of_another_discussion_is_not_there(adapter: Adapter, bob: User) -> None:
    make_discussion(adapter, bob)
    other = say(make_discussion(adapter, bob), bob)
    for key in (other.public_id.hex, "x", "0" * 32):
        answer = Hub(bob).call("POST", f"{PLACE}/1/comment/{key}/edit", {"content": "Words"})
        assert answer.status_code == 404, answer.content


def test_datasets_are_not_discussed(ada: User) -> None:
    dataset_create(actor=ada, owner=Namespace.objects.get(slug="ada"), draft=draft("leaves"))
    answer = Hub(ada).call("GET", "/api/datasets/ada/leaves/discussions")
    assert answer.status_code == 501
    assert "models are discussed" in answer.json()["error"]
