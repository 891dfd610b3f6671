"""The pages of discussions, with and without HTMX."""

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Adapter, Discussion, DiscussionComment
from registry.services.discussion_comments import comment_hide
from registry.services.discussions import discussion_lock_set
from tests.factories.accounts import make_user
from tests.factories.discussions import make_discussion, say
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
LIST = "/ada/style/discussions"
ONE = f"{LIST}/1"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob(client: Client) -> User:
    made = make_user("bob")
    client.force_login(made)
    return made


@pytest.fixture
def adapter(ada: User) -> Adapter:
    return make_version(actor=ada).adapter


@pytest.fixture
def talk(adapter: Adapter, bob: User) -> Discussion:
    return make_discussion(adapter, bob)


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def _as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _comment(talk: Discussion) -> tuple[DiscussionComment, str]:
    first = talk.comments.get(position=1)
    return first, f"{ONE}/comments/{first.public_id}"


def test_adapter_links_to_its_discussions_with_their_count(client: Client, talk: Discussion) -> None:
    page = _text(client.get("/ada/style"))
    assert f'<a href="{LIST}">Discussions</a> <span class="muted">1 open</span>' in page


def test_discussion_is_opened_by_the_form_and_listed(client: Client, adapter: Adapter, bob: User) -> None:
    assert "No open discussion" in _text(client.get(LIST))
    made = client.post(f"{LIST}/new", {"title": "Green circles", "text": "Can it do *green*?"})
    assert (made.status_code, made["Location"]) == (302, ONE)
    assert "Green circles" in _text(client.get(LIST))
    page = _text(client.get(ONE))
    assert "Can it do <em>green</em>?" in page


def test_text_is_made_safe(client: Client, adapter: Adapter, bob: User) -> None:
    make_discussion(adapter, bob, text="<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://e.org/p.png)")
    page = _text(client.get(ONE))
    assert "<script>alert" not in page
    assert "javascript:" not in page.replace("&lt;", "")[page.index('id="comment-1"') :].split("(javascript:")[0]
    assert "e.org/p.png" not in page


def test_what_was_rendered_before_is_cleaned_again(client: Client, talk: Discussion) -> None:
    talk.comments.update(html="<p>Fine</p><script>alert(1)</script><a href='javascript:alert(1)' onclick='x()'>x</a>")
    page = _text(client.get(ONE))
    assert "<p>Fine</p>" in page
    assert ("alert(1)" in page, "onclick" in page) == (False, False)


def test_guest_reads_and_is_sent_to_sign_in_for_writing(talk: Discussion) -> None:
    guest = Client()
    page = _text(guest.get(ONE))
    assert "Sign in to comment" in page
    assert "Add a comment" not in page
    assert "Sign in to open one" in _text(guest.get(LIST))
    for path in (ONE, f"{LIST}/new", f"{ONE}/status"):
        assert guest.post(path, {"text": "x", "title": "abc"})["Location"].startswith("/sign-in")
    assert talk.comments.count() == 1


def test_comment_leads_to_its_place(client: Client, talk: Discussion, ada: User) -> None:
    answer = _as(ada).post(ONE, {"text": "It can."})
    assert (answer.status_code, answer["Location"]) == (302, f"{ONE}?page=1#comment-2")
    comment = talk.comments.get(position=2)
    assert client.get(f"{ONE}/comments/{comment.public_id}")["Location"] == f"{ONE}?page=1#comment-2"
    assert client.get(f"{ONE}/comments/{uuid.uuid4()}").status_code == 404


def test_what_was_written_is_not_lost_where_it_is_not_taken(
    client: Client, talk: Discussion, ada: User, settings: Any
) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1
    answer = client.post(ONE, {"text": "A long thought of mine."})
    assert answer.status_code == 429
    assert "A long thought of mine." in _text(answer)
    assert "within an hour" in _text(answer)
    assert client.post(ONE, {"text": " "}).status_code == 422
    settings.DISCUSSION_ENTRIES_PER_PERSON = 9
    discussion_lock_set(actor=ada, discussion=talk, locked=True)
    refused = client.post(ONE, {"text": "A long thought of mine."})
    assert refused.status_code == 409
    assert "locked" in _text(refused)


def test_closing_takes_what_was_written_along(client: Client, talk: Discussion) -> None:
    answer = client.post(f"{ONE}/status", {"status": "closed", "text": "Thanks."})
    assert answer["Location"] == f"{ONE}?page=1#end"
    page = _text(client.get(ONE))
    assert page.index("Thanks.") < page.index("closed it")
    assert "No open discussion" in _text(client.get(LIST))
    assert "Green circles" in _text(client.get(f"{LIST}?status=closed"))
    assert client.post(f"{ONE}/status", {"status": "open"}).status_code == 302
    assert client.post(f"{ONE}/status", {"status": "open"}).status_code == 409


def test_title_is_changed_by_its_form(client: Client, talk: Discussion) -> None:
    assert 'value="Green circles"' in _text(client.get(f"{ONE}/title"))
    assert client.post(f"{ONE}/title", {"title": "ab"}).status_code == 422
    assert client.post(f"{ONE}/title", {"title": "Green <b>squares</b>"}).status_code == 302
    page = _text(client.get(ONE))
    assert "changed the title from <q>Green circles</q> to <q>Green &lt;b&gt;squares&lt;/b&gt;</q>" in page


def test_comment_is_edited_in_its_place_or_on_a_page(client: Client, talk: Discussion) -> None:
    _, path = _comment(talk)
    part = client.get(f"{path}/edit", headers=HTMX)
    assert _text(part).startswith('<section class="comment card" id="comment-1"')
    assert "<html" not in _text(part)
    assert "<html" in _text(client.get(f"{path}/edit"))
    swapped = client.post(f"{path}/edit", {"text": "Never mind."}, headers=HTMX)
    assert _text(swapped).startswith('<article class="comment card" id="comment-1"')
    assert "Never mind." in _text(swapped)
    assert "edited" in _text(swapped)
    assert client.post(f"{path}/edit", {"text": "Again."})["Location"] == f"{ONE}?page=1#comment-1"
    empty = client.post(f"{path}/edit", {"text": ""}, headers=HTMX)
    assert (empty.status_code, "This field is required." in _text(empty)) == (200, True)
    assert client.post(f"{path}/edit", {"text": ""}).status_code == 422


def test_moderator_hides_and_everybody_else_sees_the_notice_alone(client: Client, talk: Discussion, ada: User) -> None:
    _, path = _comment(talk)
    mo = _as(make_user("mo", is_moderator=True))
    assert client.get(f"{path}/hide").status_code == 403
    assert _as(ada).post(f"{path}/hide", {"reason": "x"}).status_code == 403
    assert mo.post(f"{path}/hide", {"reason": ""}).status_code == 422
    assert "Insults." in _text(mo.post(f"{path}/hide", {"reason": "Insults."}, headers=HTMX))
    for reader in (client, _as(ada), Client()):
        page = _text(reader.get(ONE))
        assert "A moderator has hidden this comment: Insults." in page
        assert "green" not in page.replace("Green circles", "")
    assert "What it says" in _text(mo.get(ONE))
    assert mo.post(f"{path}/show")["Location"] == f"{ONE}?page=1#comment-1"
    assert "A moderator has hidden" not in _text(client.get(ONE))


def test_report_is_offered_to_others_and_editing_to_its_author(client: Client, talk: Discussion, ada: User) -> None:
    _, path = _comment(talk)
    report, edit = f"/report?at={path}", f'href="{path}/edit"'
    own, others, guests = _text(client.get(ONE)), _text(_as(ada).get(ONE)), _text(Client().get(ONE))
    assert (report in own, report in others, report in guests) == (False, True, True)
    assert (edit in own, edit in others, edit in guests) == (True, False, False)


def test_owner_switches_them_off_on_the_edit_page(client: Client, talk: Discussion, ada: User) -> None:
    owner = _as(ada)
    assert 'name="discussions_on"' in _text(owner.get("/ada/style/edit"))
    kept = {"title": "Style", "visibility": "public", "content_level": "general"}
    owner.post("/ada/style/edit", kept)
    assert LIST not in _text(client.get("/ada/style"))
    refused = client.get(LIST)
    assert refused.status_code == 403
    assert "switched off" in _text(refused)
    assert "switched off" in _text(owner.get(ONE))
    assert "Add a comment" not in _text(owner.get(ONE))
    owner.post("/ada/style/edit", {**kept, "discussions_on": "on"})
    assert client.get(LIST).status_code == 200


def test_long_lists_and_threads_have_pages(client: Client, adapter: Adapter, bob: User, settings: Any) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1000
    for number in range(31):
        talk = make_discussion(adapter, bob, title=f"Title {number}")
    first = client.get(LIST)
    older = client.get(LIST + first.context["next_url"])
    assert [row.title for row in older.context["rows"]] == ["Title 0"]
    assert "status=open" in first.context["next_url"]
    for number in range(55):
        say(talk, bob, f"Word {number}")
    place = f"{LIST}/{talk.number}"
    assert "Page 1 of 2" in _text(client.get(place))
    assert "Word 54" in _text(client.get(f"{place}?page=2"))
    for wanted in ("0", "x", "²", "9" * 40, "-1"):
        assert client.get(f"{place}?page={wanted}").status_code == 200


def test_erased_and_hidden_comments_offer_nothing_to_do(client: Client, talk: Discussion) -> None:
    first, path = _comment(talk)
    comment_hide(actor=make_user("mo", is_moderator=True), comment=first, reason="Insults.")
    assert f'href="{path}/edit"' not in _text(client.get(ONE))
    DiscussionComment.objects.update(text="", hidden_at=None, hidden_by=None, hidden_reason="")
    page = _text(client.get(ONE))
    assert "went with its author" in page
    assert f'href="{path}/edit"' not in page
