"""Reports of comments: the comment is named, its moderators get to it, and nobody decides about their own words."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from moderation.models import CaseKind, Report
from moderation.selectors.cases import QueueQuery, case_queue
from moderation.selectors.parts import discussions
from moderation.services.cases import check_disinterested
from registry.errors import ConflictOfInterest
from registry.models import DiscussionComment
from registry.services.discussion_comments import comment_hide
from tests.factories.accounts import make_user
from tests.factories.discussions import make_discussion
from tests.factories.moderation import make_report
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
CSRF = re.compile(r"\b[A-Za-z0-9]{64}\b")


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def comment(ada: User, bob: User) -> DiscussionComment:
    return make_discussion(make_version(actor=ada).adapter, bob, text="Buy *my* things.").comments.get()


def _at(comment: DiscussionComment) -> str:
    return f"/ada/style/discussions/1/comments/{comment.public_id}"


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_report_names_the_comment_and_its_case_leads_there(
    client: Client, comment: DiscussionComment, mo: User
) -> None:
    page = _text(client.get(f"/report?at={_at(comment)}"))
    assert "Report a comment on ada/style" in page
    assert "Buy <em>my</em> things." in page
    assert f"/report/spam?at={_at(comment)}" in page
    form = f"/report/spam?at={_at(comment)}"
    assert "the comment of bob" in _text(client.get(form))
    assert client.post(form, {"text": "Advertising."}).status_code == 302
    report = Report.objects.get()
    assert (report.comment, report.version.adapter.name, report.case.kind) == (comment, "style", CaseKind.SPAM)
    client.force_login(mo)
    case = _text(client.get(report.case.get_absolute_url()))
    assert f'href="{_at(comment)}"' in case
    assert "Buy <em>my</em> things." in case
    comment_hide(actor=mo, comment=comment, reason="Advertising.")
    assert "hidden</span>" in _text(client.get(report.case.get_absolute_url()))


def test_report_of_an_adapter_names_no_comment(client: Client, comment: DiscussionComment) -> None:
    assert client.post("/report/spam?at=/ada/style", {"text": "Advertising."}).status_code == 302
    assert Report.objects.get().comment is None


@pytest.mark.parametrize(
    "tail",
    [
        "discussions/1/comments/x",
        "discussions/x/comments/{key}",
        "discussions/2/comments/{key}",
        "discussions/1/comments/{other}",
        "discussions/99999999999/comments/{key}",
    ],
)
def test_address_of_no_comment_is_refused(client: Client, comment: DiscussionComment, tail: str) -> None:
    at = f"/ada/style/{tail.format(key=comment.public_id, other=uuid.uuid4())}"
    assert client.get(f"/report/spam?at={at}").status_code == 404
    shown = client.get(f"/report?at={at}")
    assert (shown.status_code, "There is no" in _text(shown)) == (200, True)


def test_hidden_words_are_not_shown_to_who_reports(client: Client, comment: DiscussionComment, mo: User) -> None:
    comment_hide(actor=mo, comment=comment, reason="Advertising.")
    page = _text(client.get(f"/report?at={_at(comment)}"))
    assert "things" not in page


def test_comment_on_what_nobody_may_see_is_not_told_of(client: Client, ada: User) -> None:
    draft = make_submitted(actor=ada, name="draft", content=lora_bytes(seed=2)).adapter
    comment = make_discussion(draft, ada).comments.get()
    at = f"/ada/draft/discussions/1/comments/{comment.public_id}"
    answers = [client.get(f"/report?at={at.replace('draft', name)}") for name in ("draft", "absent")]
    said = [
        CSRF.sub("token", _text(answer).replace(name, "x"))
        for answer, name in zip(answers, ("draft", "absent"), strict=True)
    ]
    assert said[0] == said[1]


def test_moderator_does_not_decide_about_a_comment_of_their_own(comment: DiscussionComment, mo: User) -> None:
    own = make_discussion(comment.discussion.adapter, mo).comments.get()
    report, _ = make_report(own.discussion.adapter.versions.get(), CaseKind.SPAM, comment=own)
    with pytest.raises(ConflictOfInterest):
        check_disinterested(report.case, mo)
    other = make_user("max", is_moderator=True)
    check_disinterested(report.case, other)
    query = QueueQuery()
    assert [list(case_queue(actor=person, query=query)) for person in (mo, other)] == [[], [report.case]]


def test_own_words_are_in_the_copy_hidden_ones_too(comment: DiscussionComment, bob: User, mo: User) -> None:
    comment_hide(actor=mo, comment=comment, reason="Advertising.")
    opened, said = discussions(bob)
    assert (opened["opened"], opened["title"]) == ("ada/style #1", "Green circles")
    assert (said["text"], said["hidden_reason"]) == ("Buy *my* things.", "Advertising.")
    assert discussions(mo) == []
