"""Reading discussions: fetching and authorising in one call, lists, pages of comments, what a person may do."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.errors import DomainError, NotFound, NotPermitted
from accounts.models import User
from registry.errors import DiscussionRefused, DiscussionsOff
from registry.models import Adapter, Discussion, DiscussionComment, DiscussionEvent, DiscussionStatus
from registry.permissions import AdapterPermission as P
from registry.selectors.access import Actor, access_adapter, adapter_permissions

COMMENTS_A_PAGE = 50
EVENTS_A_PAGE = 200  # those between two comments of a page; of more only the newest are shown
BIGGEST = 2**31 - 1


@dataclass(frozen=True)
class Rights:
    """What somebody may do in a discussion, or with all those of an adapter."""

    write: bool = False  # open, comment, edit one's own comments
    steer: bool = False  # close, reopen, change the title
    lock: bool = False
    moderate: bool = False  # hide comments, and bring them back


@dataclass(frozen=True)
class ThreadPage:
    """Comments with the events among them, oldest first; `number` counts from 1 to `of`."""

    entries: list[DiscussionComment | DiscussionEvent]
    number: int
    of: int


def access_discussions(*, actor: Actor, owner: str, name: str) -> Adapter:
    """The adapter, if `actor` may read it and what is said about it; raises NotFound or DiscussionsOff.

    While they are switched off only its maintainers and moderators read them.
    """
    adapter = access_adapter(actor=actor, owner=owner, name=name, permission=P.READ)
    if not adapter.discussions_on and not adapter_permissions(actor, adapter) & {P.EDIT, P.REVIEW}:
        raise DiscussionsOff
    return adapter


def access_discussion(*, actor: Actor, owner: str, name: str, number: int) -> Discussion:
    """Discussion `number` of `/{owner}/{name}`, under the same rule; raises NotFound or DiscussionsOff."""
    adapter = access_discussions(actor=actor, owner=owner, name=name)
    found = Discussion.objects.select_related("author").filter(adapter=adapter, number=min(number, BIGGEST)).first()
    if found is None:
        raise NotFound(f"There is no discussion {number} of {adapter}.")
    found.adapter = adapter
    return found


def access_comment(*, actor: Actor, owner: str, name: str, number: int, public_id: uuid.UUID) -> DiscussionComment:
    """A comment of a discussion, under the same rule; raises NotFound or DiscussionsOff."""
    discussion = access_discussion(actor=actor, owner=owner, name=name, number=number)
    found = discussion.comments.select_related("author").filter(public_id=public_id).first()
    if found is None:
        raise NotFound(f"There is no such comment in {discussion}.")
    found.discussion = discussion
    return found


def comment_at(*, actor: Actor, owner: str, name: str, number: str, public_id: str) -> DiscussionComment:
    """The same from the parts of an address that somebody typed; raises NotFound for what is no address either."""
    try:
        key = uuid.UUID(public_id)
    except ValueError as error:
        raise NotFound("There is no such comment.") from error
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise NotFound("There is no such discussion.")
    return access_comment(actor=actor, owner=owner, name=name, number=int(number), public_id=key)


def discussions_of(*, adapter: Adapter, status: DiscussionStatus | None = None) -> QuerySet[Discussion]:
    """The discussions of an adapter, newest first."""
    rows = Discussion.objects.filter(adapter=adapter).select_related("author").order_by("-created_at", "-pk")
    return rows.filter(status=status) if status else rows


def thread_page(*, discussion: Discussion, number: int) -> ThreadPage:
    """One page of a discussion; a number beyond the last is the last. Pages never shift: no comment is deleted."""
    of = max(1, -(-discussion.comment_count // COMMENTS_A_PAGE))
    number = min(max(number, 1), of)
    first, last = (number - 1) * COMMENTS_A_PAGE + 1, number * COMMENTS_A_PAGE
    rows = discussion.comments.select_related("author", "hidden_by")
    found = list(rows.filter(position__range=(first, last + 1)))
    comments, following = found[:COMMENTS_A_PAGE], found[COMMENTS_A_PAGE:]
    until = following[0].created_at if following else None
    events = _events(discussion, comments[0].created_at, until) if comments else []
    for comment in comments:
        comment.discussion = discussion
    return ThreadPage(in_order(comments, events), number, of)


def page_of(comment: DiscussionComment) -> int:
    """The page of its discussion on which a comment stands."""
    return 1 + (comment.position - 1) // COMMENTS_A_PAGE


def whole_thread(*, discussion: Discussion) -> list[DiscussionComment | DiscussionEvent]:
    """All comments of a discussion with its newest events, oldest first; the comments of one are limited in number."""
    comments = list(discussion.comments.select_related("author", "hidden_by"))
    for comment in comments:
        comment.discussion = discussion
    return in_order(comments, _events(discussion, discussion.created_at, None))


def _events(discussion: Discussion, since: datetime, until: datetime | None) -> list[DiscussionEvent]:
    within = Q(at__gte=since) & (Q(at__lt=until) if until else Q())
    newest = discussion.events.filter(within).select_related("by").order_by("-at", "-pk")[:EVENTS_A_PAGE]
    return list(reversed(newest))


def in_order(
    comments: list[DiscussionComment], events: list[DiscussionEvent]
) -> list[DiscussionComment | DiscussionEvent]:
    """Oldest first; a comment before the change that it came with."""
    keyed = [((comment.created_at, 0, comment.pk), comment) for comment in comments]
    keyed += [((event.at, 1, event.pk), event) for event in events]  # type: ignore[misc]
    return [entry for _, entry in sorted(keyed, key=lambda pair: pair[0])]


def writing_obstacle(*, actor: User, adapter: Adapter, discussion: Discussion | None = None) -> DomainError | None:
    """Why `actor` may not write in a discussion, or open one; None where they may."""
    held = adapter_permissions(actor, adapter)
    if P.READ not in held:
        return NotFound(f"There is no adapter {adapter} that you may see.")
    if not adapter.discussions_on:
        return DiscussionsOff()
    if adapter.latest_id is None and P.READ_UNPUBLISHED not in held:
        return DiscussionRefused(
            f"Nothing of {adapter} is published now, so that nothing is added to its discussions.", remedy=""
        )
    if discussion is not None and discussion.locked_at is not None and P.EDIT not in held:
        return DiscussionRefused(
            f"{discussion} is locked: only the maintainers of the adapter write in it.", remedy="Open another one."
        )
    return None


def steering_obstacle(*, actor: User, discussion: Discussion) -> DomainError | None:
    """Why `actor` may not close, reopen or rename a discussion; None where they may."""
    if obstacle := writing_obstacle(actor=actor, adapter=discussion.adapter, discussion=discussion):
        return obstacle
    if discussion.author_id != actor.pk and P.EDIT not in adapter_permissions(actor, discussion.adapter):
        return NotPermitted(
            f"{discussion} is closed, reopened and renamed by its author and the maintainers of the adapter."
        )
    return None


def may_moderate(*, actor: User, adapter: Adapter) -> bool:
    """Whether `actor` decides about comments as a moderator: not about those on what is their own."""
    held = adapter_permissions(actor, adapter)
    return P.REVIEW in held and P.CONTRIBUTE not in held


def may_lock(*, actor: User, adapter: Adapter) -> bool:
    """Whether `actor` locks discussions: the adapter's maintainers, and moderators."""
    return P.EDIT in adapter_permissions(actor, adapter) or may_moderate(actor=actor, adapter=adapter)


def rights_in(*, actor: Actor, adapter: Adapter, discussion: Discussion | None = None) -> Rights:
    """All that `actor` may do, for pages that offer it; the services ask the same questions."""
    if not isinstance(actor, User):
        return Rights()
    return Rights(
        write=writing_obstacle(actor=actor, adapter=adapter, discussion=discussion) is None,
        steer=discussion is not None and steering_obstacle(actor=actor, discussion=discussion) is None,
        lock=may_lock(actor=actor, adapter=adapter),
        moderate=may_moderate(actor=actor, adapter=adapter),
    )
