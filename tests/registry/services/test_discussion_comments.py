"""Comments afterwards: edited by their authors, hidden and brought back by moderators, emptied with an account."""

import pytest

from accounts.errors import NotPermitted
from accounts.models import User
from governance.models import AuditEntry
from moderation.models import CaseKind, ErasedVia
from moderation.selectors.verdicts import Verdict
from moderation.services.data_erasure import Choices, erasures_finish, user_erase
from registry.errors import CommentNotTaken, ConflictOfInterest, DiscussionRefused
from registry.models import Adapter, Discussion, DiscussionComment
from registry.services.discussion_comments import comment_edit, comment_hide, comment_show
from registry.services.discussions import discussion_rename
from tests.factories.accounts import make_organisation, make_user
from tests.factories.discussions import make_discussion, say
from tests.factories.moderation import decide, make_report
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


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
def adapter(ada: User) -> Adapter:
    return make_version(actor=ada).adapter


@pytest.fixture
def comment(adapter: Adapter, bob: User) -> DiscussionComment:
    return make_discussion(adapter, bob).comments.get()


def test_comment_is_edited_by_its_author_alone(comment: DiscussionComment, ada: User, bob: User, mo: User) -> None:
    assert comment_edit(actor=bob, comment=comment, text=comment.text).edited_at is None  # nothing changed
    edited = comment_edit(actor=bob, comment=comment, text=" Never mind. ")
    assert edited.edited_at is not None
    comment.refresh_from_db()
    assert (comment.text, comment.html) == ("Never mind.", "<p>Never mind.</p>\n")
    for person in (ada, mo):  # neither the adapter's owner nor a moderator puts words into somebody's mouth
        with pytest.raises(NotPermitted):
            comment_edit(actor=person, comment=comment, text="I was wrong.")


def test_moderator_hides_with_a_reason_and_brings_back_on_record(
    comment: DiscussionComment, bob: User, mo: User
) -> None:
    hidden = comment_hide(actor=mo, comment=comment, reason=" Insults. ")
    assert (hidden.hidden_by, hidden.hidden_reason) == (mo, "Insults.")
    comment.refresh_from_db()
    assert comment.text == "Can it do *green* ones?"  # kept, for bringing it back
    with pytest.raises(DiscussionRefused, match="hidden"):
        comment_edit(actor=bob, comment=comment, text="Other words")
    with pytest.raises(DiscussionRefused, match="already"):
        comment_hide(actor=mo, comment=comment, reason="Again.")
    comment_show(actor=mo, comment=comment)
    comment.refresh_from_db()
    assert (comment.hidden_at, comment.hidden_by, comment.hidden_reason) == (None, None, "")
    with pytest.raises(DiscussionRefused, match="not hidden"):
        comment_show(actor=mo, comment=comment)
    entries = AuditEntry.objects.filter(subject_id=str(comment.public_id))
    assert [entry.action for entry in entries] == ["discussion.comment-hidden", "discussion.comment-shown"]
    assert all("Insults" not in str(entry.data) for entry in entries)


@pytest.mark.parametrize("reason", [" ", "x" * 2001])
def test_hiding_needs_a_reason(comment: DiscussionComment, mo: User, reason: str) -> None:
    with pytest.raises(CommentNotTaken):
        comment_hide(actor=mo, comment=comment, reason=reason)


def test_nobody_but_moderators_hides_and_none_in_their_own_case(
    comment: DiscussionComment, adapter: Adapter, ada: User, bob: User, mo: User
) -> None:
    for person in (ada, bob, make_user("eve")):
        with pytest.raises(NotPermitted):
            comment_hide(actor=person, comment=comment, reason="I do not like it.")
    theirs = say(comment.discussion, mo)
    with pytest.raises(ConflictOfInterest):
        comment_hide(actor=mo, comment=theirs, reason="Mine.")
    User.objects.filter(pk=ada.pk).update(is_moderator=True)
    ada.refresh_from_db()
    with pytest.raises(ConflictOfInterest):
        comment_hide(actor=ada, comment=comment, reason="It is about my adapter.")
    comment_hide(actor=mo, comment=comment, reason="Insults.")
    with pytest.raises(ConflictOfInterest):
        comment_show(actor=ada, comment=comment)


def test_erased_account_leaves_neither_comments_nor_titles(adapter: Adapter, ada: User, bob: User) -> None:
    talk = make_discussion(adapter, bob, title="By bob himself", text="Words of bob.")
    say(talk, ada, "Words of ada.")
    discussion_rename(actor=bob, discussion=talk, title="By bob again")
    discussion_rename(actor=ada, discussion=talk, title="By ada")
    studio = make_organisation(ada, members={"maintainer": bob})
    dots = make_version(actor=ada, name="dots", namespace=studio.namespace, content=lora_bytes(seed=2)).adapter
    other = make_discussion(dots, ada, title="Begun by ada", text="More words of ada.")
    discussion_rename(actor=bob, discussion=other, title="Taken over by bob")
    user_erase(user=bob, choices=Choices(), via=ErasedVia.ACCOUNT)
    assert [row.text for row in talk.comments.all()] == ["", "Words of ada."]
    assert [row.html for row in talk.comments.all()] == ["", "<p>Words of ada.</p>\n"]
    assert talk.comments.first().is_erased  # type: ignore[union-attr]
    told = [(row.before, row.after) for row in talk.events.all()]
    assert told == [("Erased", "Erased"), ("Erased", "By ada")]
    talk.refresh_from_db()
    other.refresh_from_db()
    assert (talk.title, other.title) == ("By ada", "Erased")
    assert [(row.before, row.after) for row in other.events.all()] == [("Begun by ada", "Erased")]
    assert talk.author.username.startswith("erased-")


def test_reported_comment_waits_for_its_decision_before_it_is_erased(
    comment: DiscussionComment, adapter: Adapter, bob: User, mo: User
) -> None:
    spared = say(comment.discussion, bob, "Not reported.")
    report, _ = make_report(adapter.versions.get(), CaseKind.SPAM, comment=comment)
    user_erase(user=bob, choices=Choices(), via=ErasedVia.ACCOUNT)
    comment.refresh_from_db()
    spared.refresh_from_db()
    assert (comment.is_erased, spared.is_erased) == (False, True)
    erasures_finish()
    comment.refresh_from_db()
    assert not comment.is_erased
    decide(report.case, mo, Verdict.DISMISS)
    assert erasures_finish() >= 1
    comment.refresh_from_db()
    assert comment.is_erased
    assert Discussion.objects.get().title == "Erased"
    assert erasures_finish() == 0
