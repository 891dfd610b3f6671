"""The API of discussions: everything that the pages do."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Adapter, Discussion
from tests.factories.accounts import make_token, make_user
from tests.factories.discussions import make_discussion, say
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
BASE = "/api/v1/adapters/ada/style/discussions"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def adapter(ada: User) -> Adapter:
    return make_version(actor=ada).adapter


def _call(user: User | None, method: str, path: str = "", body: dict[str, Any] | None = None, status: int = 200) -> Any:
    headers = {"Authorization": f"Bearer {make_token(user)[1]}"} if user else {}
    sent: dict[str, Any] = {"content_type": "application/json", "headers": headers}
    answer = (
        getattr(Client(), method)(BASE + path, body, **sent)
        if body is not None
        else getattr(Client(), method)(BASE + path, headers=headers)
    )
    assert answer.status_code == status, answer.content
    return answer.json()


def test_life_of_a_discussion(adapter: Adapter, ada: User, bob: User) -> None:
    opened = _call(bob, "post", body={"title": "Green circles", "text": "Can it?"}, status=201)
    assert (opened["number"], opened["author"], opened["status"], opened["locked"]) == (1, "bob", "open", False)
    assert opened["page"] == "/ada/style/discussions/1"
    said = _call(ada, "post", "/1/comments", {"text": "It can."}, status=201)
    place = f"/1/comments/{said['id']}"
    edited = _call(ada, "patch", place, {"text": "It can, from 0.6 on."})
    assert (edited["text"], edited["position"]) == ("It can, from 0.6 on.", 2)
    assert edited["edited_at"]
    changed = _call(ada, "patch", "/1", {"title": "Green circles?", "status": "closed", "locked": True})
    assert (changed["title"], changed["status"], changed["locked"]) == ("Green circles?", "closed", True)
    _call(bob, "post", "/1/comments", {"text": "But"}, status=409)
    whole = _call(None, "get", "/1")
    assert [row["text"] for row in whole["comments"]] == ["Can it?", "It can, from 0.6 on."]
    assert [(row["kind"], row["after"]) for row in whole["events"]] == [
        ("title-change", "Green circles?"),
        ("status-change", "closed"),
        ("locking-change", "locked"),
    ]
    assert (whole["comments_page"], whole["comments_pages"]) == (1, 1)


def test_change_is_made_whole_or_not_at_all(adapter: Adapter, bob: User) -> None:
    make_discussion(adapter, bob)
    _call(bob, "patch", "/1", {"title": "Another", "status": "closed", "locked": True}, status=403)
    found = Discussion.objects.get()
    assert (found.title, found.status, found.events.count()) == ("Green circles", "open", 0)


def test_moderator_hides_and_the_text_is_gone_from_every_answer(adapter: Adapter, ada: User, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    said = say(talk, bob, "Insulting words.")
    mo = make_user("mo", is_moderator=True)
    place = f"/1/comments/{said.public_id}"
    _call(ada, "put", f"{place}/hiding", {"reason": "Insults."}, status=403)
    hidden = _call(mo, "put", f"{place}/hiding", {"reason": "Insults."})
    assert (hidden["hidden"], hidden["hidden_reason"], hidden["text"]) == (True, "Insults.", "")
    for path in ("/1", place):
        assert "Insulting" not in str(_call(ada, "get", path))
    _call(mo, "delete", f"{place}/hiding")
    assert _call(None, "get", place)["text"] == "Insulting words."


def test_list_comes_in_pages_that_neither_repeat_nor_skip(adapter: Adapter, bob: User, settings: Any) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1000
    for number in range(65):
        make_discussion(adapter, bob, title=f"Title {number}")
    found: list[int] = []
    cursor = ""
    for _ in range(3):
        page = _call(None, "get", f"?cursor={cursor}")
        found += [row["number"] for row in page["items"]]
        cursor = page["next_cursor"]
        make_discussion(adapter, bob, title="In between")
    assert (found, cursor) == (list(range(65, 0, -1)), "")
    _call(bob, "patch", "/3", {"status": "closed"})
    assert [row["number"] for row in _call(None, "get", "?status=closed")["items"]] == [3]


@pytest.mark.parametrize(
    "body", [{}, {"title": "ab", "text": "x"}, {"title": "abc"}, {"title": "abc", "text": "x", "pinned": True}]
)
def test_body_that_is_not_whole_is_a_problem_that_names_it(adapter: Adapter, bob: User, body: dict[str, Any]) -> None:
    problem = _call(bob, "post", body=body, status=400)
    assert problem["errors"]


def test_too_many_are_a_429(adapter: Adapter, bob: User, settings: Any) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1
    make_discussion(adapter, bob)
    assert _call(bob, "post", "/1/comments", {"text": "x"}, status=429)["code"] == "too-many-comments"


def test_owner_switches_them_off(adapter: Adapter, ada: User, bob: User) -> None:
    token = {"Authorization": f"Bearer {make_token(ada)[1]}"}
    url = "/api/v1/adapters/ada/style"
    answer = Client().patch(url, {"discussions_on": False}, content_type="application/json", headers=token)
    assert answer.json()["discussions_on"] is False
    assert _call(bob, "get", status=403)["code"] == "discussions-off"
