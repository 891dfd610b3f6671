"""Discussions in the Hub's words: listed, read, opened, commented, edited, renamed, closed, hidden."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.errors import NotFound
from accounts.models import User
from accounts.scopes import Scope
from registry.compat.hub.access import access_repository, acting_user, hub_view, require_scope
from registry.compat.hub.bodies import json_body, text_of
from registry.compat.hub.errors import BadRequest, HubError, NotOffered
from registry.compat.hub.info import moment
from registry.compat.hub.kinds import HubCaller
from registry.models import (
    Adapter,
    Discussion,
    DiscussionComment,
    DiscussionEvent,
    DiscussionEventKind,
    DiscussionStatus,
)
from registry.selectors.discussions import (
    access_comment,
    access_discussion,
    access_discussions,
    discussions_of,
    whole_thread,
)
from registry.services.discussion_comments import comment_edit, comment_hide
from registry.services.discussions import (
    LOCKED,
    discussion_comment,
    discussion_open,
    discussion_rename,
    discussion_status_set,
)
from registry.templatetags.house import cleaned, markdown

PAGE = 50
HIDDEN = "This comment has been hidden"  # the Hub's own words
HIDDEN_HERE = "Hidden through the Hub protocol, which takes no reason."
NO_PULL_REQUESTS = (
    "This registry has discussions and no pull requests: open a discussion, or upload under a name of your own."
)
KINDS = {"", "all", "discussion", "pull_request"}
STATUSES = {"", "all", *DiscussionStatus.values}


class DiscussionMissing(HubError):
    """Without the code for a missing repository: that one is there."""

    code = "discussion-not-found"
    status = 404
    title = "There is no such discussion."


@hub_view(methods=["GET", "HEAD", "POST"])
def discussions(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`/api/{kind}/{owner}/{name}/discussions`: GET lists, POST opens one."""
    _models_only(caller, kind, owner, name)
    adapter = access_discussions(actor=caller.user, owner=owner, name=name)
    return _opened(request, caller, adapter) if request.method == "POST" else _listed(request, adapter)


def _models_only(caller: HubCaller, kind: str, owner: str, name: str) -> None:
    """Said only of what the caller may see."""
    found = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    if not isinstance(found.subject, Adapter):
        raise NotOffered(f"In this registry models are discussed, and no {kind}: its page is {found.page}.")


def _listed(request: HttpRequest, adapter: Adapter) -> HttpResponse:
    """The client takes pages `p` until `start` and what came together reach `count`."""
    kind, status = _choice(request, "type", KINDS), _choice(request, "status", STATUSES)
    rows = discussions_of(adapter=adapter, status=DiscussionStatus(status) if status not in {"", "all"} else None)
    if kind == "pull_request":
        rows = rows.none()
    if author := request.GET.get("author", "").replace("\0", ""):
        rows = rows.filter(author__username=author.lower())
    wanted = request.GET.get("p", "")
    start = PAGE * (int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 7 else 0)
    shown = [_facts(row, adapter) for row in rows[start : start + PAGE]]
    return JsonResponse({"discussions": shown, "count": rows.count(), "start": start})


def _choice(request: HttpRequest, name: str, known: set[str]) -> str:
    wanted = request.GET.get(name, "")
    if wanted not in known:
        raise BadRequest(f"`{name}` is one of {', '.join(sorted(known - {''}))}.")
    return wanted


def _opened(request: HttpRequest, caller: HubCaller, adapter: Adapter) -> HttpResponse:
    actor, body = _writer(caller), json_body(request)
    if body.get("pullRequest"):
        raise NotOffered(NO_PULL_REQUESTS)
    title, text = text_of(body, "title"), text_of(body, "description")
    opened = discussion_open(actor=actor, adapter=adapter, title=title, text=text)
    facts = _facts(opened, adapter)
    return JsonResponse({**facts, "url": f"/{adapter}/discussions/{opened.number}"})


def _writer(caller: HubCaller) -> User:
    require_scope(caller, Scope.WRITE)
    return acting_user(caller)


@hub_view()
def discussion(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, number: int) -> HttpResponse:
    """`GET …/discussions/{number}`: with everything that was said and done in it."""
    found = _found(caller, kind, owner, name, number)
    events = [_entry(entry) for entry in whole_thread(discussion=found)]
    return JsonResponse({**_facts(found, found.adapter), "events": events, "filesWithConflicts": [], "diff": None})


def _found(caller: HubCaller, kind: str, owner: str, name: str, number: int) -> Discussion:
    _models_only(caller, kind, owner, name)
    try:
        return access_discussion(actor=caller.user, owner=owner, name=name, number=number)
    except NotFound as error:
        raise DiscussionMissing(error.detail) from error


@hub_view(methods=["POST"], signed_in=True)
def change(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, number: int, what: str
) -> HttpResponse:
    """`POST …/discussions/{number}/{comment|title|status|merge}`"""
    found = _found(caller, kind, owner, name, number)
    actor, body = _writer(caller), json_body(request)
    if what == "comment":
        said = discussion_comment(actor=actor, discussion=found, text=text_of(body, "comment"))
        return JsonResponse({"newMessage": _entry(said)})
    if what == "title":
        return JsonResponse(
            {"newTitle": _entry(discussion_rename(actor=actor, discussion=found, title=text_of(body, "title")))}
        )
    if what == "status":
        return JsonResponse({"newStatus": _entry(_status(actor, found, body))})
    raise NotOffered(NO_PULL_REQUESTS if what == "merge" else f"This registry does not offer {what} of a discussion.")


def _status(actor: User, found: Discussion, body: dict[str, Any]) -> DiscussionEvent:
    status = text_of(body, "status")
    if status not in DiscussionStatus.values:
        raise BadRequest("`status` is open or closed.")
    said = text_of(body, "comment")
    return discussion_status_set(actor=actor, discussion=found, status=DiscussionStatus(status), comment=said)


@hub_view(methods=["POST"], signed_in=True)
def comment(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, number: int, key: str, what: str
) -> HttpResponse:
    """`POST …/discussions/{number}/comment/{id}/{edit|hide}`"""
    _found(caller, kind, owner, name, number)
    found, actor = _comment(caller, owner, name, number, key), _writer(caller)
    if what == "edit":
        done = comment_edit(actor=actor, comment=found, text=text_of(json_body(request), "content"))
    elif what == "hide":
        done = comment_hide(actor=actor, comment=found, reason=HIDDEN_HERE)
    else:
        raise NotOffered(f"This registry does not offer {what} of a comment.")
    return JsonResponse({"updatedComment": _entry(done)})


def _comment(caller: HubCaller, owner: str, name: str, number: int, key: str) -> DiscussionComment:
    try:
        public_id = uuid.UUID(key)
        return access_comment(actor=caller.user, owner=owner, name=name, number=number, public_id=public_id)
    except (ValueError, NotFound) as error:
        raise DiscussionMissing(f"There is no such comment in {owner}/{name} #{number}.") from error


def _facts(found: Discussion, adapter: Adapter) -> dict[str, Any]:
    return {
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "author": _author(found.author),
        "repo": {"name": str(adapter), "type": "model"},
        "createdAt": moment(found.created_at),
        "isPullRequest": False,
        "pinned": False,
        "locked": found.locked_at is not None,
        "numComments": found.comment_count,
    }


def _author(user: User) -> dict[str, Any]:
    return {"_id": f"{user.pk:024x}", "name": user.username, "fullname": user.name, "type": "user"}


def _entry(entry: DiscussionComment | DiscussionEvent) -> dict[str, Any]:
    """An event as clients read it; an id is hexadecimal."""
    if isinstance(entry, DiscussionComment):
        about = {"type": "comment", "createdAt": moment(entry.created_at), "author": _author(entry.author)}
        return {"id": entry.public_id.hex, **about, "data": _said(entry)}
    about = {"type": entry.kind, "createdAt": moment(entry.at), "author": _author(entry.by)}
    data: dict[DiscussionEventKind, dict[str, Any]] = {
        DiscussionEventKind.TITLE: {"from": entry.before, "to": entry.after},
        DiscussionEventKind.STATUS: {"status": entry.after},
        DiscussionEventKind.LOCK: {"locked": entry.after == LOCKED},
    }
    return {"id": entry.public_id.hex, **about, "data": data[DiscussionEventKind(entry.kind)]}


def _said(entry: DiscussionComment) -> dict[str, Any]:
    """What a comment said before it was edited is not kept: the history is empty."""
    hidden = entry.hidden_at is not None
    raw, html = (HIDDEN, markdown(HIDDEN)) if hidden else (entry.text, cleaned(entry.html))
    latest = {"raw": raw, "html": html, "updatedAt": moment(entry.edited_at or entry.created_at)}
    return {
        "edited": entry.edited_at is not None,
        "hidden": hidden,
        "hiddenReason": entry.hidden_reason,
        "latest": {**latest, "author": _author(entry.author)},
        "history": [],
    }
