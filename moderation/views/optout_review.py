"""The moderators' pages of the opt-out register: entries, decisions about them, lists and their imports, export."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from moderation.forms.optout import BlockForm, EntrySearchForm, ImportForm, RulingForm
from moderation.models import OptOutEntry, OptOutHolder, OptOutImport
from moderation.selectors.optout import entries_for_moderators
from moderation.selectors.optout_pages import entry_page, lists_page
from moderation.selectors.review import require_moderator
from moderation.services.list_export import FORMATS, register_export
from moderation.services.lists import file_keep, import_create, import_decide
from moderation.services.optout_rulings import (
    Verdict,
    entry_erase,
    entry_rule,
    holder_block,
    thumbnail_view,
    verdicts_possible,
)
from moderation.views.optout import sent_with
from registry.selectors.paging import page_by_key
from registry.views.mine import keys_of, links_of


@login_required
@require_safe
def entries(request: HttpRequest) -> HttpResponse:
    """The register, newest first."""
    require_moderator(request.user)
    form = EntrySearchForm(request.GET or None)
    asked = form.cleaned_data if form.is_valid() else {}
    rows = entries_for_moderators(query=asked.get("q", ""), kind=asked.get("kind", ""), state=asked.get("state", ""))
    page = page_by_key(rows, by="created_at", **keys_of(request))
    links = {name: _with_search(request, url) for name, url in links_of(request, page).items()}
    return render(request, "moderation/optout/entries.html", {"form": form, "entries": page.rows, **links})


def _with_search(request: HttpRequest, url: str) -> str:
    """The address of another page with what was searched for."""
    kept = request.GET.copy()
    for name in ("before", "after"):
        kept.pop(name, None)
    return f"{url}&{kept.urlencode()}" if url and kept else url


def _entry(public_id: uuid.UUID) -> OptOutEntry:
    entry = OptOutEntry.objects.select_related("features").filter(public_id=public_id).first()
    if entry is None:
        raise NotFound("There is no such entry.")
    return entry


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def entry(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One entry with who claims it, and the form to decide about it."""
    moderator = require_moderator(request.user)
    found = _entry(public_id)
    possible = verdicts_possible(found)
    form = RulingForm(*sent_with(request)[:1], possible=possible)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data | {"verdict": Verdict(form.cleaned_data["verdict"])}
        entry_rule(entry=found, actor=moderator, **data)
        messages.success(request, "The decision is on record.")
        return redirect("optout_entry", public_id)
    context: dict[str, Any] = entry_page(entry=found) | {"form": form, "possible": possible, "block_form": BlockForm()}
    return render(request, "moderation/optout/entry.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_safe
def thumbnail(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The small picture of a work, for comparing by eye; each look at it is on the audit log."""
    moderator = require_moderator(request.user)
    response = HttpResponse(thumbnail_view(entry=_entry(public_id), actor=moderator), content_type="image/jpeg")
    response["X-Content-Type-Options"] = "nosniff"
    return response


@login_required
@require_POST
def erase(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Delete what an entry tells of a person."""
    moderator = require_moderator(request.user)
    found = _entry(public_id)
    if request.POST.get("sure") != "yes":
        messages.error(request, "Nothing was erased: tick the box to say that you are sure.")
    else:
        entry_erase(entry=found, actor=moderator)
        messages.success(request, "Erased. A salted tombstone is left.")
    return redirect("optout_entry", public_id)


@login_required
@require_POST
def block(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Reject all that a holder claims, and take nothing more from them."""
    moderator = require_moderator(request.user)
    holder = OptOutHolder.objects.filter(public_id=public_id).first()
    if holder is None:
        raise NotFound("There is no such holder.")
    form = BlockForm(request.POST)
    if form.is_valid():
        holder_block(holder=holder, actor=moderator, public_reasoning=form.cleaned_data["public_reasoning"])
        messages.success(request, "The holder is blocked, and what they alone claimed does not count any more.")
    else:
        messages.error(request, "Nobody was blocked: write the reasoning.")
    return redirect("optout_entries")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def lists(request: HttpRequest) -> HttpResponse:
    """Lists, how each stands, the imports, and the form for another one."""
    moderator = require_moderator(request.user)
    form = ImportForm(*sent_with(request))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            path = file_keep(data["file"].file)
            made = import_create(
                name=data["name"].strip(),
                path=path,
                filename=data["file"].name or "",
                actor=moderator,
                complete=data["complete"],
            )
        except DomainError as error:
            form.add_error("file", f"{error.detail} {error.remedy}")
        else:
            return redirect("optout_import", made.pk)
    return render(
        request, "moderation/optout/lists.html", lists_page() | {"form": form}, status=422 if form.errors else 200
    )


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def one_import(request: HttpRequest, pk: int) -> HttpResponse:
    """The report of an import; a held one is taken in or thrown away here."""
    moderator = require_moderator(request.user)
    found = OptOutImport.objects.select_related("source", "actor").filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such import.")
    if request.method == "POST":
        import_decide(job=found, actor=moderator, accept=request.POST.get("verdict") == "accept")
        messages.success(request, "Decided.")
        return redirect("optout_import", pk)
    return render(request, "moderation/optout/import.html", {"job": found})


@login_required
@never_cache
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """What counts now, as a list that can be imported elsewhere."""
    moderator = require_moderator(request.user)
    format = request.GET.get("format", "csv")
    if format not in FORMATS:
        raise NotFound("The register is exported as csv or jsonl.")
    kind = request.GET.get("kind", "")
    lines = register_export(format=format, kind=kind, actor=moderator)
    response = StreamingHttpResponse(lines, content_type=FORMATS[format])
    response["Content-Disposition"] = f'attachment; filename="opt-out.{format}"'
    return response
