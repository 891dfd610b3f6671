"""The pages of one's own: what one uploaded, in every state, and what one downloaded."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from registry.selectors.mine import awaiting_publication_by, receipts_of, unfinished_uploads_of, uploads_of
from registry.selectors.paging import KeyPage, page_by_key
from registry.selectors.visibility import versions_readable_by
from registry.services.uploads import access_upload, upload_delete


@login_required
@require_safe
def uploads(request: HttpRequest) -> HttpResponse:
    """Every version of one's own and of one's organisations; above it what waits for this person."""
    assert isinstance(request.user, User)
    page = page_by_key(uploads_of(actor=request.user), by="created_at", **keys_of(request))
    context: dict[str, object] = {"versions": page.rows, **links_of(request, page)}
    if not context["previous_url"]:
        context["waiting"] = awaiting_publication_by(actor=request.user)
        context["unfinished"] = unfinished_uploads_of(actor=request.user)
    return render(request, "registry/my_uploads.html", context)


@login_required
@require_POST
def upload_discard(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give up an upload that was not submitted."""
    assert isinstance(request.user, User)
    upload = access_upload(actor=request.user, pk=pk)
    upload_delete(upload=upload)
    messages.success(request, f"{upload.filename} is discarded, and its room is free again.")
    return redirect("my_uploads")


@login_required
@require_safe
def downloads(request: HttpRequest) -> HttpResponse:
    """The receipts of one's downloads, newest first."""
    assert isinstance(request.user, User)
    page = page_by_key(receipts_of(actor=request.user), by="issued_at", **keys_of(request))
    named = {receipt.acceptance.version_id for receipt in page.rows}
    readable = set(versions_readable_by(request.user).filter(pk__in=named).values_list("pk", flat=True))
    context = {"receipts": page.rows, "readable": readable, **links_of(request, page)}
    return render(request, "registry/my_downloads.html", context)


def keys_of(request: HttpRequest) -> dict[str, Any]:
    """The place in a list that a query string names."""
    return {name: request.GET.get(name, "")[:40].replace("\0", "") for name in ("before", "after")}


def links_of(request: HttpRequest, page: KeyPage[Any]) -> dict[str, str]:
    """The addresses of the pages beside this one, as the pager takes them."""
    return {
        "next_url": f"{request.path}?before={page.before}" if page.before else "",
        "previous_url": f"{request.path}?after={page.after}" if page.after else "",
    }
