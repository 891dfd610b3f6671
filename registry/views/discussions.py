"""The pages of discussions: the list, a new one, one with its comments, and what its people and moderators do there."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotPermitted
from accounts.models import User
from registry.discussion_forms import CommentForm, DiscussionForm, EditCommentForm, HideForm, TitleForm
from registry.models import Discussion, DiscussionComment, DiscussionStatus
from registry.selectors.discussions import (
    access_comment,
    access_discussion,
    access_discussions,
    discussions_of,
    page_of,
    rights_in,
    steering_obstacle,
    thread_page,
    writing_obstacle,
)
from registry.selectors.paging import page_by_key
from registry.services.discussion_comments import comment_edit, comment_hide, comment_show, require_moderates
from registry.services.discussions import (
    discussion_comment,
    discussion_lock_set,
    discussion_open,
    discussion_rename,
    discussion_status_set,
)
from registry.views.mine import keys_of


@require_safe
def discussions(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The open ones, or the closed ones, newest first."""
    adapter = access_discussions(actor=request.user, owner=owner, name=name)
    status = DiscussionStatus.CLOSED if request.GET.get("status") == "closed" else DiscussionStatus.OPEN
    rows = discussions_of(adapter=adapter)
    page = page_by_key(rows.filter(status=status), by="created_at", **keys_of(request))
    context = {
        "adapter": adapter,
        "status": status,
        "rows": page.rows,
        "counts": {one.value: rows.filter(status=one).count() for one in DiscussionStatus},
        "rights": rights_in(actor=request.user, adapter=adapter),
        "next_url": _query(status=status, before=page.before) if page.before else "",
        "previous_url": _query(status=status, after=page.after) if page.after else "",
    }
    return render(request, "registry/discussions/list.html", context)


def _query(**parameters: object) -> str:
    return f"?{urlencode(parameters)}"


@login_required
@require_http_methods(["GET", "POST"])
def discussion_new(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The form of a new discussion; POST opens it."""
    actor = _user(request)
    adapter = access_discussions(actor=actor, owner=owner, name=name)
    if obstacle := writing_obstacle(actor=actor, adapter=adapter):
        raise obstacle
    form, status = DiscussionForm(request.POST or None), 200
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(_address(discussion_open(actor=actor, adapter=adapter, **form.cleaned_data)))
        except DomainError as error:
            status = _told(form, error)
    return _form(request, "new", {"adapter": adapter, "form": form}, status)


@require_http_methods(["GET", "POST"])
def discussion(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """One discussion, a page of comments at a time; POST adds a comment."""
    if request.method == "POST" and not isinstance(request.user, User):
        return redirect_to_login(request.get_full_path())
    found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
    if request.method == "GET":
        return _page(request, found, CommentForm())
    form, status = CommentForm(request.POST), 422
    if form.is_valid():
        try:
            text = form.cleaned_data["text"]
            return redirect(_place(discussion_comment(actor=_user(request), discussion=found, text=text)))
        except DomainError as error:
            status = _told(form, error)
    return _page(request, found, form, status)


def _page(request: HttpRequest, found: Discussion, form: CommentForm, status: int = 200) -> HttpResponse:
    wanted = request.GET.get("page", "")
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6 else 1
    page = thread_page(discussion=found, number=number)
    context = {
        "adapter": found.adapter,
        "discussion": found,
        "page": page,
        "form": form,
        "rights": rights_in(actor=request.user, adapter=found.adapter, discussion=found),
        "earlier": _query(page=page.number - 1) if page.number > 1 else "",
        "later": _query(page=page.number + 1) if page.number < page.of else "",
    }
    return render(request, "registry/discussions/one.html", context, status=status)


@login_required
@require_POST
def discussion_status(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """Close or reopen it, with what was written in the comment's form."""
    found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
    status = DiscussionStatus.CLOSED if request.POST.get("status") == "closed" else DiscussionStatus.OPEN
    form = CommentForm(request.POST)
    form.fields["text"].required = False
    code = 422
    if form.is_valid():
        try:
            text = form.cleaned_data["text"]
            discussion_status_set(actor=_user(request), discussion=found, status=status, comment=text)
            return redirect(_end(found))
        except DomainError as error:
            code = _told(form, error)
    return _page(request, found, form, code)


@login_required
@require_http_methods(["GET", "POST"])
def discussion_title(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """The form of another title; POST gives it."""
    actor = _user(request)
    found = access_discussion(actor=actor, owner=owner, name=name, number=number)
    if obstacle := steering_obstacle(actor=actor, discussion=found):
        raise obstacle
    form, status = TitleForm(request.POST or None, initial={"title": found.title}), 200
    if request.method == "POST" and form.is_valid():
        try:
            discussion_rename(actor=actor, discussion=found, title=form.cleaned_data["title"])
            return redirect(_address(found))
        except DomainError as error:
            status = _told(form, error)
    return _form(request, "title", {"adapter": found.adapter, "discussion": found, "form": form}, status)


@login_required
@require_POST
def discussion_lock(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """Let only maintainers write in it, or everybody again."""
    found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
    locked = request.POST.get("locked") == "yes"
    discussion_lock_set(actor=_user(request), discussion=found, locked=locked)
    messages.success(request, "Locked." if locked else "Unlocked.")
    return redirect(_address(found))


@require_safe
def comment(request: HttpRequest, owner: str, name: str, number: int, public_id: uuid.UUID) -> HttpResponse:
    """A comment's own address: to its place in the discussion, or for HTMX the comment alone."""
    found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
    return _comment(request, found)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, owner: str, name: str, number: int, public_id: uuid.UUID) -> HttpResponse:
    """The author's form, as a page or in the comment's place; POST changes it."""
    actor = _user(request)
    found = access_comment(actor=actor, owner=owner, name=name, number=number, public_id=public_id)
    if found.author_id != actor.pk:
        raise NotPermitted("A comment is edited by its author alone.", remedy="Write one of your own.")
    form, status = EditCommentForm(request.POST or None, initial={"text": found.text}), 200
    if request.method == "POST" and form.is_valid():
        try:
            return _comment(request, comment_edit(actor=actor, comment=found, text=form.cleaned_data["text"]))
        except DomainError as error:
            status = _told(form, error)
    context = {"adapter": found.discussion.adapter, "discussion": found.discussion, "comment": found, "form": form}
    return _form(request, "edit", context, status)


@login_required
@require_http_methods(["GET", "POST"])
def hide(request: HttpRequest, owner: str, name: str, number: int, public_id: uuid.UUID) -> HttpResponse:
    """A moderator's form with the reason, as a page or in the comment's place; POST hides it."""
    actor = _user(request)
    found = access_comment(actor=actor, owner=owner, name=name, number=number, public_id=public_id)
    require_moderates(actor=actor, comment=found)
    form, status = HideForm(request.POST or None), 200
    if request.method == "POST" and form.is_valid():
        try:
            return _comment(request, comment_hide(actor=actor, comment=found, reason=form.cleaned_data["reason"]))
        except DomainError as error:
            status = _told(form, error)
    context = {"adapter": found.discussion.adapter, "discussion": found.discussion, "comment": found, "form": form}
    return _form(request, "hide", context, status)


@login_required
@require_POST
def show(request: HttpRequest, owner: str, name: str, number: int, public_id: uuid.UUID) -> HttpResponse:
    """A moderator brings it back."""
    found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
    return _comment(request, comment_show(actor=_user(request), comment=found))


def _comment(request: HttpRequest, found: DiscussionComment) -> HttpResponse:
    """The comment alone for HTMX, else the way to its place."""
    if not request.headers.get("HX-Request"):
        return redirect(_place(found))
    rights = rights_in(actor=request.user, adapter=found.discussion.adapter, discussion=found.discussion)
    context = {"entry": found, "discussion": found.discussion, "adapter": found.discussion.adapter, "rights": rights}
    context["swapped"] = True  # the keyboard goes on from here
    return render(request, "registry/discussions/_comment.html", context)


def _form(request: HttpRequest, what: str, context: dict[str, Any], status: int) -> HttpResponse:
    """A form as a page of its own, or for HTMX alone; HTMX puts nothing in place that is no success."""
    alone = bool(request.headers.get("HX-Request"))
    if context["form"].errors and status == 200:
        status = 422
    template = f"registry/discussions/{'_' if alone else ''}{what}.html"
    return render(request, template, context, status=200 if alone else status)


def _told(form: forms.Form, error: DomainError) -> int:
    """Has the form say what stood against it, so that what was written is not lost; the answer's status."""
    form.add_error(None, f"{error.detail} {error.remedy}".strip())
    return error.status


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _address(found: Discussion) -> str:
    return reverse("discussion", args=[found.adapter.owner.slug, found.adapter.name, found.number])


def _place(found: DiscussionComment) -> str:
    return f"{_address(found.discussion)}{_query(page=page_of(found))}#comment-{found.position}"


def _end(found: Discussion) -> str:
    """The last page, where what was done now stands."""
    newest = found.comments.latest("position")
    return f"{_address(found)}{_query(page=page_of(newest))}#end"
