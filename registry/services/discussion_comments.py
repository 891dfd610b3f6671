"""Comments afterwards: edited by their authors, hidden and brought back by moderators, emptied with an account."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import CommentNotTaken, ConflictOfInterest, DiscussionRefused
from registry.models import Discussion, DiscussionComment, DiscussionEvent, DiscussionEventKind
from registry.permissions import AdapterPermission as P
from registry.selectors.access import adapter_permissions
from registry.selectors.discussions import writing_obstacle
from registry.services.discussions import cleaned_text, discussion_locked
from registry.templatetags.house import markdown

REASON_MOST = 2000  # characters
ERASED_TITLE = "Erased"


@transaction.atomic
def comment_edit(*, actor: User, comment: DiscussionComment, text: str) -> DiscussionComment:
    """Change one's own comment; what it said before is not kept. Raises NotPermitted, and as commenting does."""
    text = cleaned_text(text)
    comment = _locked(comment)
    discussion = comment.discussion
    if comment.author_id != actor.pk:
        raise NotPermitted("A comment is edited by its author alone.", remedy="Write one of your own.")
    if obstacle := writing_obstacle(actor=actor, adapter=discussion.adapter, discussion=discussion):
        raise obstacle
    if comment.hidden_at is not None:
        raise DiscussionRefused("A moderator has hidden this comment.", remedy="Write another one.")
    if comment.text != text:
        comment.text, comment.html, comment.edited_at = text, markdown(text), timezone.now()
        comment.save(update_fields=["text", "html", "edited_at"])
    return comment


@audited()
def comment_hide(*, actor: User, comment: DiscussionComment, reason: str) -> DiscussionComment:
    """A moderator puts a notice with the reason in the comment's place; raises NotPermitted, ConflictOfInterest."""
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MOST:
        raise CommentNotTaken(f"Give a reason of up to {REASON_MOST:,} characters: it stands in the comment's place.")
    comment = _moderated(actor, comment)
    if comment.hidden_at is not None:
        raise DiscussionRefused("The comment is hidden already.", remedy="Reload the page.")
    comment.hidden_at, comment.hidden_by, comment.hidden_reason = timezone.now(), actor, reason
    comment.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])
    _noted(actor, comment, "discussion.comment-hidden")
    return comment


@audited()
def comment_show(*, actor: User, comment: DiscussionComment) -> DiscussionComment:
    """A moderator brings a hidden comment back; raises NotPermitted, ConflictOfInterest."""
    comment = _moderated(actor, comment)
    if comment.hidden_at is None:
        raise DiscussionRefused("The comment is not hidden.", remedy="Reload the page.")
    comment.hidden_at, comment.hidden_by, comment.hidden_reason = None, None, ""
    comment.save(update_fields=["hidden_at", "hidden_by", "hidden_reason"])
    _noted(actor, comment, "discussion.comment-shown")
    return comment


def _locked(comment: DiscussionComment) -> DiscussionComment:
    """The comment as it stands; its discussion's row is locked, under which everything in it changes."""
    discussion = discussion_locked(comment.discussion)
    comment = DiscussionComment.objects.select_related("author").get(pk=comment.pk)
    comment.discussion = discussion
    return comment


def _moderated(actor: User, comment: DiscussionComment) -> DiscussionComment:
    comment = _locked(comment)
    require_moderates(actor=actor, comment=comment)
    return comment


def require_moderates(*, actor: User, comment: DiscussionComment) -> None:
    """Raises NotPermitted for who is no moderator, ConflictOfInterest where adapter or comment is their own."""
    held = adapter_permissions(actor, comment.discussion.adapter)
    if P.REVIEW not in held:
        raise NotPermitted("Comments are hidden and brought back by moderators.", remedy="Report the comment.")
    if P.CONTRIBUTE in held or comment.author_id == actor.pk:
        raise ConflictOfInterest(
            "The adapter, or the comment, is your own.", remedy="Report it: another moderator decides."
        )


def _noted(actor: User, comment: DiscussionComment, action: str) -> None:
    subject = ("registry.discussioncomment", str(comment.public_id))
    audit_append(actor=actor, action=action, subject=subject, data={"discussion": comment.discussion_id})


@transaction.atomic
def discussions_erase(*, user: User, keep: Collection[int] = ()) -> int:
    """Empty the comments of an account, except `keep`, and the titles that it gave; how many rows changed."""
    comments = DiscussionComment.objects.filter(author=user).exclude(text="").exclude(pk__in=keep)
    changed = comments.update(text="", html="")
    named = Q(author=user) | Q(events__by=user, events__kind=DiscussionEventKind.TITLE)
    for discussion in Discussion.objects.filter(named).distinct():
        changed += _titles_erase(discussion, user)
    return changed


def _titles_erase(discussion: Discussion, user: User) -> int:
    """Each title belongs to who gave it: the first to who opened the discussion, each later one to who changed it."""
    changed, giver, title = 0, discussion.author_id, discussion.title
    for event in discussion.events.filter(kind=DiscussionEventKind.TITLE):
        before = ERASED_TITLE if giver == user.pk else event.before
        after = ERASED_TITLE if event.by_id == user.pk else event.after
        if (before, after) != (event.before, event.after):
            changed += DiscussionEvent.objects.filter(pk=event.pk).update(before=before, after=after)
        giver = event.by_id
    if giver == user.pk and title != ERASED_TITLE:
        changed += Discussion.objects.filter(pk=discussion.pk).update(title=ERASED_TITLE)
    return changed
