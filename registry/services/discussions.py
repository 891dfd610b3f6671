"""Discussions: opened, commented, closed and reopened, renamed, locked. Hiding comments is in `discussion_comments`."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import CommentNotTaken, DiscussionRefused, TooManyComments
from registry.models import (
    Adapter,
    Discussion,
    DiscussionComment,
    DiscussionEvent,
    DiscussionEventKind,
    DiscussionStatus,
)
from registry.models.discussions import TEXT_MOST, TITLE_MOST
from registry.selectors.discussions import may_lock, steering_obstacle, writing_obstacle
from registry.services.webhook_events import discussion_news
from registry.templatetags.house import markdown

COMMENTS_MOST = 300  # of one discussion: clients of the Hub take all of them at once
TITLE_LEAST = 3  # characters, as the Hub has it
LOCKED, UNLOCKED = "locked", "unlocked"
HOUR = timedelta(hours=1)


@transaction.atomic
def discussion_open(*, actor: User, adapter: Adapter, title: str, text: str) -> Discussion:
    """Open a discussion with its first comment, under the adapter's next number.

    Raises DiscussionsOff, DiscussionRefused, CommentNotTaken, TooManyComments.
    """
    title, text = cleaned_title(title), cleaned_text(text)
    # The row's lock makes the number the next one for everybody, and the switch what it is now.
    locked = Adapter.objects.select_for_update(of=("self",), no_key=True)
    adapter = locked.select_related("owner__user", "owner__organisation").get(pk=adapter.pk)
    if obstacle := writing_obstacle(actor=actor, adapter=adapter):
        raise obstacle
    newest = adapter.discussions.aggregate(newest=Max("number"))["newest"] or 0
    discussion = Discussion.objects.create(adapter=adapter, number=newest + 1, title=title, author=actor)
    comment_add(actor=actor, discussion=discussion, text=text)
    return discussion


@transaction.atomic
def discussion_comment(*, actor: User, discussion: Discussion, text: str) -> DiscussionComment:
    """Add a comment; raises DiscussionsOff, DiscussionRefused, CommentNotTaken, TooManyComments."""
    text = cleaned_text(text)
    discussion = discussion_locked(discussion)
    if obstacle := writing_obstacle(actor=actor, adapter=discussion.adapter, discussion=discussion):
        raise obstacle
    return comment_add(actor=actor, discussion=discussion, text=text)


@audited()
def discussion_status_set(
    *, actor: User, discussion: Discussion, status: DiscussionStatus, comment: str = ""
) -> DiscussionEvent:
    """Close or reopen, with a last comment where there is one; raises NotPermitted, and as commenting does."""
    comment = cleaned_text(comment) if comment.strip() else ""
    discussion = _steered(actor, discussion)
    if discussion.status == status:
        raise DiscussionRefused(f"{discussion} is {status.value} already.", remedy="Reload the page.")
    if comment:
        comment_add(actor=actor, discussion=discussion, text=comment)
    before, closed = discussion.status, status == DiscussionStatus.CLOSED
    discussion.status, discussion.closed_at = status, timezone.now() if closed else None
    discussion.save(update_fields=["status", "closed_at"])
    _noted(actor, discussion, "discussion.closed" if closed else "discussion.reopened")
    return _event(actor, discussion, DiscussionEventKind.STATUS, before, status)


@transaction.atomic
def discussion_rename(*, actor: User, discussion: Discussion, title: str) -> DiscussionEvent:
    """Give a discussion another title; raises NotPermitted, DiscussionRefused, CommentNotTaken."""
    title = cleaned_title(title)
    discussion = _steered(actor, discussion)
    if discussion.title == title:
        raise DiscussionRefused("That is its title already.", remedy="Give another one.")
    before, discussion.title = discussion.title, title
    discussion.save(update_fields=["title"])
    return _event(actor, discussion, DiscussionEventKind.TITLE, before, title)


@audited()
def discussion_lock_set(*, actor: User, discussion: Discussion, locked: bool) -> DiscussionEvent:
    """Let nobody but the adapter's maintainers write in it, or everybody again; raises NotPermitted."""
    discussion = discussion_locked(discussion)
    if not may_lock(actor=actor, adapter=discussion.adapter):
        raise NotPermitted(f"{discussion} is locked by the maintainers of the adapter, or by moderators.")
    if (discussion.locked_at is not None) == locked:
        raise DiscussionRefused(f"{discussion} is {LOCKED if locked else UNLOCKED} already.", remedy="Reload the page.")
    discussion.locked_at = timezone.now() if locked else None
    discussion.save(update_fields=["locked_at"])
    _noted(actor, discussion, f"discussion.{LOCKED if locked else UNLOCKED}")
    before, after = (UNLOCKED, LOCKED) if locked else (LOCKED, UNLOCKED)
    return _event(actor, discussion, DiscussionEventKind.LOCK, before, after)


def discussion_locked(discussion: Discussion) -> Discussion:
    """The discussion as it stands, its row locked until the transaction ends."""
    rows = Discussion.objects.select_for_update(of=("self",), no_key=True)
    related = rows.select_related("author", "adapter__owner__user", "adapter__owner__organisation")
    return related.get(pk=discussion.pk)


def _steered(actor: User, discussion: Discussion) -> Discussion:
    discussion = discussion_locked(discussion)
    if obstacle := steering_obstacle(actor=actor, discussion=discussion):
        raise obstacle
    return discussion


def comment_add(*, actor: User, discussion: Discussion, text: str) -> DiscussionComment:
    """The next comment of a discussion whose row, or adapter, is locked; raises DiscussionRefused, TooManyComments."""
    if discussion.comment_count >= COMMENTS_MOST:
        raise DiscussionRefused(f"{discussion} has {COMMENTS_MOST} comments.", remedy="Open another one.")
    require_patience(actor)
    discussion.comment_count += 1
    discussion.save(update_fields=["comment_count"])
    comment = DiscussionComment.objects.create(
        discussion=discussion, position=discussion.comment_count, author=actor, text=text, html=markdown(text)
    )
    discussion_news(comment=comment)
    return comment


def require_patience(actor: User) -> None:
    """Raises TooManyComments where `actor` wrote or changed too much in the last hour."""
    since = timezone.now() - HOUR
    written = DiscussionComment.objects.filter(author=actor, created_at__gt=since).count()
    changed = DiscussionEvent.objects.filter(by=actor, at__gt=since).count()
    most = settings.DISCUSSION_ENTRIES_PER_PERSON
    if written + changed >= most:
        raise TooManyComments(f"You wrote or changed {most} things in discussions within an hour.")


def _event(actor: User, discussion: Discussion, kind: DiscussionEventKind, before: str, after: str) -> DiscussionEvent:
    require_patience(actor)
    return DiscussionEvent.objects.create(
        discussion=discussion, kind=kind, by=actor, before=str(before), after=str(after)
    )


def _noted(actor: User, discussion: Discussion, action: str) -> None:
    audit_append(actor=actor, action=action, subject=("registry.discussion", str(discussion.pk)))


def cleaned_title(title: str) -> str:
    """On one line; raises CommentNotTaken."""
    title = " ".join(title.split())
    if not TITLE_LEAST <= len(title) <= TITLE_MOST:
        raise CommentNotTaken(f"A title has {TITLE_LEAST} to {TITLE_MOST} characters; this one has {len(title)}.")
    return title


def cleaned_text(text: str) -> str:
    """Without blank ends; raises CommentNotTaken."""
    text = text.strip()
    if not 1 <= len(text) <= TEXT_MOST:
        raise CommentNotTaken(f"A comment has 1 to {TEXT_MOST:,} characters; this one has {len(text):,}.")
    return text
