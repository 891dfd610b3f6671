"""Recalls: one's own notices, and the moderators' list with what a recall follows from."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from moderation.errors import ModerationError
from moderation.forms.consents import LiftForm
from moderation.selectors.recall import (
    access_notice,
    access_recall,
    delivery_counts,
    notice_page,
    notices_of,
    recalls_for_moderators,
    unanswered_recalls,
)
from moderation.selectors.review import require_moderator
from moderation.services.recall import notice_acknowledge
from moderation.services.recall_lifting import recall_reverse
from registry.errors import RegistryError
from registry.selectors.paging import page_by_key
from registry.views.mine import keys_of, links_of


@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What one was told, newest first."""
    assert isinstance(request.user, User)
    page = page_by_key(notices_of(actor=request.user), by="created_at", **keys_of(request))
    context = {"notices": page.rows, "unanswered": unanswered_recalls(actor=request.user), **links_of(request, page)}
    return render(request, "moderation/recalls/mine.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def notice(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What happened, why, and what to do; POST confirms that it was done."""
    assert isinstance(request.user, User)
    found = access_notice(actor=request.user, public_id=public_id)
    if request.method == "POST":
        notice_acknowledge(notice=found, actor=request.user)
        messages.success(request, "Thank you. That you did it is on record.")
        return redirect("recall_notice", public_id)
    return render(request, "moderation/recalls/notice.html", notice_page(notice=found))


@login_required
@require_safe
def every(request: HttpRequest) -> HttpResponse:
    """Every recall, for moderators."""
    require_moderator(request.user)
    page = page_by_key(recalls_for_moderators(), by="issued_at", **keys_of(request))
    return render(request, "moderation/recalls/every.html", {"recalls": page.rows, **links_of(request, page)})


@login_required
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One recall, for moderators; POST lifts it with reasons."""
    moderator = require_moderator(request.user)
    recall = access_recall(public_id=public_id)
    form = LiftForm(request.POST or None, recall=recall)
    if request.method == "POST" and form.is_valid():
        try:
            recall_reverse(recall=recall, actor=moderator, **form.given())
        except (ModerationError, RegistryError) as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            messages.success(request, "Lifted. Everybody who was told of the recall is told of this.")
            return redirect("recall", public_id)
    entries = recall.versions.select_related("version__adapter__owner", "decision")
    context = {"recall": recall, "entries": entries, "form": form, "counts": delivery_counts(recall)}
    return render(request, "moderation/recalls/one.html", context, status=422 if form.errors else 200)
