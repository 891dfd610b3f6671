"""Discussions: who may open, comment, close, rename and lock, and that numbers have no gaps."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.errors import NotFound, NotPermitted
from accounts.models import Organisation, User
from governance.models import AuditEntry
from registry.errors import CommentNotTaken, DiscussionRefused, DiscussionsOff, TooManyComments
from registry.models import (
    Adapter,
    Discussion,
    DiscussionComment,
    DiscussionEvent,
    DiscussionEventKind,
    DiscussionStatus,
    WebhookDelivery,
)
from registry.selectors.access import access_adapter
from registry.selectors.discussions import (
    COMMENTS_A_PAGE,
    Rights,
    access_discussion,
    access_discussions,
    page_of,
    rights_in,
    thread_page,
    whole_thread,
)
from registry.services.adapters import adapter_update
from registry.services.discussion_comments import comment_edit
from registry.services.discussions import (
    COMMENTS_MOST,
    discussion_lock_set,
    discussion_open,
    discussion_rename,
    discussion_status_set,
)
from registry.services.versions import version_withdraw
from registry.services.webhooks import webhook_create
from tests.factories.accounts import make_organisation, make_user
from tests.factories.discussions import make_discussion, say
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
OPEN, CLOSED = DiscussionStatus.OPEN, DiscussionStatus.CLOSED


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def adapter(ada: User) -> Adapter:
    return make_version(actor=ada).adapter


def _actions() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="discussion.").values_list("action", flat=True))


def test_discussion_is_opened_with_its_first_comment(adapter: Adapter, bob: User) -> None:
    made = make_discussion(adapter, bob, title="  Green \n circles ", text="\n Can it? ")
    assert (made.number, made.title, made.status, made.comment_count) == (1, "Green circles", OPEN, 1)
    first = made.comments.get()
    assert (first.position, first.text, first.author) == (1, "Can it?", bob)


def test_each_adapter_counts_its_own(adapter: Adapter, ada: User, bob: User) -> None:
    other = make_version(actor=ada, name="other", content=lora_bytes(seed=2)).adapter
    numbers = [make_discussion(one, bob).number for one in (adapter, adapter, other, adapter)]
    assert numbers == [1, 2, 1, 3]


@pytest.mark.django_db(transaction=True)
def test_numbers_and_positions_have_no_gaps_where_many_write_at_once() -> None:
    adapter = make_version(actor=make_user("ada")).adapter
    people = [make_user(f"p{number}") for number in range(4)]
    talk = make_discussion(adapter, people[0])
    wrong: list[Exception] = []
    gate = threading.Barrier(len(people))

    def work(person: User) -> None:
        try:
            gate.wait(timeout=30)
            for _ in range(5):
                make_discussion(adapter, person)
                say(talk, person)
        except Exception as error:  # noqa: BLE001 (handed to the test)
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert sorted(Discussion.objects.values_list("number", flat=True)) == list(range(1, 22))
    assert list(talk.comments.values_list("position", flat=True)) == list(range(1, 22))
    talk.refresh_from_db()
    assert talk.comment_count == 21


def test_refused_opening_leaves_no_gap(adapter: Adapter, bob: User, settings: Any) -> None:
    make_discussion(adapter, bob)
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1
    with pytest.raises(TooManyComments):
        make_discussion(adapter, bob)
    settings.DISCUSSION_ENTRIES_PER_PERSON = 9
    assert make_discussion(adapter, bob).number == 2


def test_who_may_not_see_the_adapter_neither_reads_nor_writes(ada: User, bob: User) -> None:
    draft = make_submitted(actor=ada, name="draft", content=lora_bytes(seed=3)).adapter
    talk = make_discussion(draft, ada)
    for call in (
        lambda: access_discussions(actor=bob, owner="ada", name="draft"),
        lambda: access_discussion(actor=bob, owner="ada", name="draft", number=1),
        lambda: make_discussion(draft, bob),
        lambda: say(talk, bob),
    ):
        with pytest.raises(NotFound):
            call()


def test_absent_and_unreadable_say_the_same(ada: User, bob: User) -> None:
    make_submitted(actor=ada, name="draft")
    said = []
    for name in ("draft", "absent"):
        with pytest.raises(NotFound) as caught:
            access_discussion(actor=bob, owner="ada", name=name, number=1)
        said.append(caught.value.detail.replace(name, "x"))
    assert said[0] == said[1]


def test_nothing_is_added_by_strangers_where_nothing_is_published_any_more(
    adapter: Adapter, ada: User, bob: User
) -> None:
    talk = make_discussion(adapter, bob)
    version_withdraw(version=adapter.versions.get(), actor=ada, reason="Mine.")
    adapter.refresh_from_db()
    assert access_discussion(actor=bob, owner="ada", name="style", number=1) == talk
    for call in (lambda: make_discussion(adapter, bob), lambda: say(talk, bob)):
        with pytest.raises(DiscussionRefused, match="published"):
            call()
    assert say(talk, ada).position == 2


def test_switched_off_they_are_refused_and_read_by_maintainers_and_moderators_alone(
    adapter: Adapter, ada: User, bob: User
) -> None:
    talk = make_discussion(adapter, bob)
    adapter_update(actor=ada, adapter=adapter, discussions_on=False)
    for person in (ada, bob):
        with pytest.raises(DiscussionsOff):
            say(talk, person)
        with pytest.raises(DiscussionsOff):
            make_discussion(adapter, person)
    with pytest.raises(DiscussionsOff):
        access_discussions(actor=bob, owner="ada", name="style")
    for person in (ada, make_user("mo", is_moderator=True)):
        assert access_discussion(actor=person, owner="ada", name="style", number=1) == talk
    adapter_update(actor=ada, adapter=adapter, discussions_on=True)
    assert say(talk, bob).position == 2


@pytest.fixture
def studio(ada: User) -> tuple[Organisation, dict[str, User]]:
    people = {role: make_user(role) for role in ("reader", "member", "maintainer")}
    return make_organisation(ada, members=people), people | {"owner": ada}


def test_author_and_maintainers_close_rename_and_only_maintainers_and_moderators_lock(
    studio: tuple[Organisation, dict[str, User]], bob: User
) -> None:
    organisation, people = studio
    adapter = make_version(actor=people["owner"], name="dots", namespace=organisation.namespace).adapter
    talk = make_discussion(adapter, bob)
    people |= {"author": bob, "stranger": make_user("eve"), "moderator": make_user("mo", is_moderator=True)}
    found = {role: rights_in(actor=person, adapter=adapter, discussion=talk) for role, person in people.items()}
    assert found == {
        "owner": Rights(write=True, steer=True, lock=True),
        "maintainer": Rights(write=True, steer=True, lock=True),
        "member": Rights(write=True),
        "reader": Rights(write=True),
        "author": Rights(write=True, steer=True),
        "stranger": Rights(write=True),
        "moderator": Rights(write=True, lock=True, moderate=True),
    }
    for role, person in people.items():
        steers, locks = found[role].steer, found[role].lock
        talk.refresh_from_db()
        other = CLOSED if talk.status == OPEN else OPEN
        if steers:
            discussion_status_set(actor=person, discussion=talk, status=other)
            discussion_rename(actor=person, discussion=talk, title=f"By {role}")
        else:
            with pytest.raises(NotPermitted):
                discussion_status_set(actor=person, discussion=talk, status=other)
            with pytest.raises(NotPermitted):
                discussion_rename(actor=person, discussion=talk, title=f"By {role}")
        if locks:
            discussion_lock_set(actor=person, discussion=talk, locked=True)
            discussion_lock_set(actor=person, discussion=talk, locked=False)
        else:
            with pytest.raises(NotPermitted):
                discussion_lock_set(actor=person, discussion=talk, locked=True)


def test_closing_says_who_and_when_and_comes_after_its_comment(adapter: Adapter, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    event = discussion_status_set(actor=bob, discussion=talk, status=CLOSED, comment=" Thanks! ")
    talk.refresh_from_db()
    assert talk.status == CLOSED
    assert talk.closed_at is not None
    assert (event.kind, event.before, event.after, event.by) == (DiscussionEventKind.STATUS, "open", "closed", bob)
    _, last, closing = whole_thread(discussion=talk)
    assert isinstance(last, DiscussionComment)
    assert (last.text, closing) == ("Thanks!", event)
    with pytest.raises(DiscussionRefused, match="already"):
        discussion_status_set(actor=bob, discussion=talk, status=CLOSED)
    assert say(talk, bob, "One more thing.").position == 3  # a closed one still takes comments
    discussion_status_set(actor=bob, discussion=talk, status=OPEN)
    talk.refresh_from_db()
    assert (talk.status, talk.closed_at) == (OPEN, None)
    assert _actions() == ["discussion.closed", "discussion.reopened"]


def test_refused_closing_leaves_neither_comment_nor_entry(adapter: Adapter, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    with pytest.raises(NotPermitted):
        discussion_status_set(actor=make_user("eve"), discussion=talk, status=CLOSED, comment="Mine now.")
    assert (talk.comments.count(), talk.events.count(), _actions()) == (1, 0, [])


def test_title_change_keeps_both_titles(adapter: Adapter, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    event = discussion_rename(actor=bob, discussion=talk, title="Blue squares")
    talk.refresh_from_db()
    assert (talk.title, event.before, event.after) == ("Blue squares", "Green circles", "Blue squares")
    with pytest.raises(DiscussionRefused):
        discussion_rename(actor=bob, discussion=talk, title=" Blue  squares ")


@pytest.mark.parametrize(("title", "text"), [("ab", "x"), ("a" * 201, "x"), ("abc", " "), ("abc", "x" * 10_001)])
def test_title_and_text_of_another_length_are_refused(adapter: Adapter, bob: User, title: str, text: str) -> None:
    with pytest.raises(CommentNotTaken):
        make_discussion(adapter, bob, title=title, text=text)
    assert make_discussion(adapter, bob, title="abc", text="x" * 10_000).number == 1


def test_in_a_locked_one_only_maintainers_write(adapter: Adapter, ada: User, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    discussion_lock_set(actor=ada, discussion=talk, locked=True)
    for call in (
        lambda: say(talk, bob),
        lambda: discussion_status_set(actor=bob, discussion=talk, status=CLOSED),
        lambda: discussion_rename(actor=bob, discussion=talk, title="Another"),
        lambda: comment_edit(actor=bob, comment=talk.comments.get(), text="Another"),
    ):
        with pytest.raises(DiscussionRefused, match="locked"):
            call()
    assert say(talk, ada).position == 2
    with pytest.raises(DiscussionRefused, match="already"):
        discussion_lock_set(actor=ada, discussion=talk, locked=True)
    discussion_lock_set(actor=ada, discussion=talk, locked=False)
    assert say(talk, bob).position == 3
    assert _actions() == ["discussion.locked", "discussion.unlocked"]


def test_who_wrote_too_much_waits_an_hour(adapter: Adapter, ada: User, bob: User, settings: Any) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 3
    talk = make_discussion(adapter, bob)
    say(talk, bob)
    discussion_rename(actor=bob, discussion=talk, title="Changes count too")
    for call in (
        lambda: say(talk, bob),
        lambda: discussion_rename(actor=bob, discussion=talk, title="Another"),
        lambda: discussion_status_set(actor=bob, discussion=talk, status=CLOSED),
    ):
        with pytest.raises(TooManyComments):
            call()
    talk.refresh_from_db()
    assert (talk.title, talk.status) == ("Changes count too", OPEN)
    assert say(talk, ada).position == 3
    earlier = timezone.now() - timedelta(minutes=61)
    DiscussionComment.objects.filter(author=bob).update(created_at=earlier)
    DiscussionEvent.objects.update(at=earlier)
    assert say(talk, bob).position == 4


def test_full_discussion_takes_no_more(adapter: Adapter, bob: User) -> None:
    talk = make_discussion(adapter, bob)
    Discussion.objects.update(comment_count=COMMENTS_MOST)
    with pytest.raises(DiscussionRefused, match=str(COMMENTS_MOST)):
        say(talk, bob)


def test_pages_hold_every_entry_once_in_order(adapter: Adapter, bob: User, settings: Any) -> None:
    settings.DISCUSSION_ENTRIES_PER_PERSON = 1000
    talk = make_discussion(adapter, bob)
    for number in range(2, 2 * COMMENTS_A_PAGE + 4):
        said = say(talk, bob, str(number))
        assert page_of(said) == 1 + (number - 1) // COMMENTS_A_PAGE
        if number in {COMMENTS_A_PAGE, COMMENTS_A_PAGE + 1, 2 * COMMENTS_A_PAGE + 3}:
            discussion_rename(actor=bob, discussion=talk, title=f"After {number}")
    talk.refresh_from_db()
    pages = [thread_page(discussion=talk, number=number) for number in (1, 2, 3)]
    assert [(page.number, page.of, len(page.entries)) for page in pages] == [(1, 3, 51), (2, 3, 51), (3, 3, 4)]
    assert [entry for page in pages for entry in page.entries] == whole_thread(discussion=talk)
    for number, shown in ((0, 1), (99, 3), (-5, 1)):
        assert thread_page(discussion=talk, number=number).number == shown


def test_organisation_is_told_without_the_words(
    studio: tuple[Organisation, dict[str, User]], bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation, people = studio
    monkeypatch.setattr("registry.services.webhooks.target_of", lambda url: None)
    adapter = make_version(actor=people["owner"], name="dots", namespace=organisation.namespace).adapter
    webhook_create(actor=people["owner"], organisation=organisation, url="https://203.0.113.7/hook", topics=["version"])
    webhook_create(
        actor=people["owner"], organisation=organisation, url="https://203.0.113.7/talk", topics=["discussion"]
    )
    say(make_discussion(adapter, bob, text="Secret words."), bob, "Secret words.")
    rows = WebhookDelivery.objects.filter(event__startswith="discussion.").order_by("pk")
    assert [(row.event, row.endpoint.url[-4:]) for row in rows] == [
        ("discussion.opened", "talk"),
        ("discussion.commented", "talk"),
    ]
    data = json.loads(rows[0].body)["data"]
    assert (data["adapter"], data["discussion"]) == ("studio/dots", 1)
    assert data["page"].endswith("/studio/dots/discussions/1")
    assert all("Secret" not in row.body and "bob" not in row.body for row in rows)


def test_opening_asks_the_row_and_not_what_was_read_before(adapter: Adapter, ada: User, bob: User) -> None:
    read_before = access_adapter(actor=bob, owner="ada", name="style", permission="adapter.read")  # type: ignore[arg-type]
    adapter_update(actor=ada, adapter=adapter, discussions_on=False)
    with pytest.raises(DiscussionsOff):
        discussion_open(actor=bob, adapter=read_before, title="Still here", text="Hello")
