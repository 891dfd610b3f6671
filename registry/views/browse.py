"""Home and browse: search, facets, gallery. One view serves the page and its HTMX fragment."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from accounts.models import Namespace
from registry.forms import USE_LABELS
from registry.models import Adapter
from registry.selectors.search import CANDIDATES, SORTS, AdapterQuery, adapter_browse, adapter_search

NARROWING = ("family", "kind", "use", "tag", "level", "creator")


def query_from(parameters: dict[str, str]) -> AdapterQuery:
    """The search that a query string asks for; a text without a sort is sorted by relevance."""
    text = parameters.get("q", "").replace("\0", "").strip()[:200]
    sort = parameters.get("sort") or ("relevance" if text else "newest")
    # No text of the database holds a zero byte, so nothing can be asked for with one.
    known: dict[str, Any] = {name: parameters.get(name, "")[:80].replace("\0", "") for name in NARROWING}
    return AdapterQuery(text=text, sort=sort, cursor=parameters.get("cursor", ""), **known)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    query = query_from(request.GET.dict())
    if request.headers.get("HX-Request") and query.cursor:
        page = adapter_search(actor=request.user, query=query)
        return render(request, "registry/_gallery.html", _context(request, query, page.adapters, page.next_cursor))
    page, facets, capped = adapter_browse(actor=request.user, query=query)
    context = _context(request, query, page.adapters, page.next_cursor)
    context |= {"facets": facets, "capped": capped, "candidates": CANDIDATES, "sorts": SORTS, "use_labels": USE_LABELS}
    context["narrowed"] = bool(query.text or any(getattr(query, name) for name in NARROWING))
    template = "registry/_results.html" if request.headers.get("HX-Request") else "registry/browse.html"
    return render(request, template, context)


@require_safe
def creator(request: HttpRequest, owner: str) -> HttpResponse:
    """`/{owner}` leads to what this person or organisation has published; an owner nobody knows is absent."""
    namespace = Namespace.objects.filter(slug=owner.lower()).first()
    if namespace is None:
        raise NotFound(f"There is nobody called {owner} here.")
    return redirect(f"{reverse('home')}?{urlencode({'creator': namespace.slug})}")


def _context(request: HttpRequest, query: AdapterQuery, adapters: list[Adapter], next_cursor: str) -> dict[str, object]:
    parameters = request.GET.copy()
    parameters["cursor"] = next_cursor
    return {
        "query": query,
        "adapters": adapters,
        "next_url": f"{request.path}?{parameters.urlencode()}" if next_cursor else "",
    }
