"""Search and browse: full text with prefixes, facets with counts, and paging by key."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Count, F, Func, Q, QuerySet
from django.db.models.fields import FloatField

from registry.errors import RegistryError
from registry.models import Adapter
from registry.selectors.access import Actor, adapters_visible_to

PAGE = 24
MAX_PAGE = 100
SORTS = ("newest", "downloads", "rating", "relevance")
# Facets and relevance look at this many candidates at most, so that a word on every page stays fast.
CANDIDATES = 2000
WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*", re.UNICODE)


class BadCursor(RegistryError):
    code = "bad-cursor"
    title = "The page cursor cannot be read"
    remedy = "Start again from the first page."


@dataclass(frozen=True)
class AdapterQuery:
    """What somebody looks for; empty fields do not narrow."""

    text: str = ""
    family: str = ""
    kind: str = ""
    use: str = ""
    tag: str = ""
    level: str = ""
    creator: str = ""
    base_model: str = ""
    sort: str = "newest"
    cursor: str = ""
    limit: int = PAGE

    def without(self, name: str) -> "AdapterQuery":
        """The same search without one of its narrowing choices."""
        cleared: dict[str, Any] = {name: ""}
        return replace(self, **cleared)


@dataclass(frozen=True)
class Facet:
    """One value that would narrow the search, with how many it leaves."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Page:
    """Adapters of one page, and the cursor of the next; empty at the end."""

    adapters: list[Adapter]
    next_cursor: str = ""
    facets: dict[str, list[Facet]] = field(default_factory=dict)
    capped: bool = False  # the facet counts stopped at CANDIDATES


def search_query(text: str) -> SearchQuery | None:
    """Every word must occur, the last letters of each may be missing; None when there is no word."""
    words = WORD.findall(text.lower())[:12]
    if not words:
        return None
    return SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple")


def adapter_search(*, actor: Actor, query: AdapterQuery) -> Page:
    """One page of what `actor` may see and `query` asks for."""
    rows = _narrowed(adapters_visible_to(actor), query)
    query = _effective_sort(query)
    ordered, keys = _ordered(rows, query)
    limit = max(1, min(query.limit, MAX_PAGE))
    found = list(
        _after(ordered, keys, query.cursor).select_related(
            "owner__user", "owner__organisation", "base_model", "latest"
        )[: limit + 1]
    )
    more = len(found) > limit
    found = found[:limit]
    return Page(adapters=found, next_cursor=_cursor(query.sort, keys, found[-1]) if more else "")


def _effective_sort(query: AdapterQuery) -> AdapterQuery:
    sort = query.sort if query.sort in SORTS else "newest"
    if sort == "relevance" and search_query(query.text) is None:
        sort = "newest"
    return replace(query, sort=sort)


def _narrowed(rows: QuerySet[Adapter], query: AdapterQuery) -> QuerySet[Adapter]:
    words = search_query(query.text)
    if words is not None:
        rows = rows.filter(search=words)
    exact = {"family": query.family, "kind": query.kind, "content_level": query.level}
    exact |= {"owner__slug": query.creator.lower(), "base_model__slug": query.base_model}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if query.use:
        rows = rows.filter(permitted_uses__contains=[query.use])
    if query.tag:
        rows = rows.filter(tag_names__contains=[query.tag.lower()])
    return rows


ORDERS = {"newest": "published_at", "downloads": "download_count", "rating": "rating", "relevance": "rank"}


def _ordered(rows: QuerySet[Adapter], query: AdapterQuery) -> tuple[QuerySet[Adapter], str]:
    """The rows in order, and the name of the key that orders them before the id does."""
    key = ORDERS[query.sort]
    if key == "rank":
        words = search_query(query.text) or SearchQuery("")
        # Rounded, so that the key in a cursor is exactly the key in the database.
        rounded = "(ROUND((%(expressions)s)::numeric, 6))::float8"
        rank = Func(SearchRank(F("search"), words), template=rounded, output_field=FloatField())
        rows = rows.annotate(rank=rank)
    return rows.order_by(F(key).desc(), F("id").desc()), key


def _after(rows: QuerySet[Adapter], key: str, cursor: str) -> QuerySet[Adapter]:
    """Only what comes after the cursor's row: rows added meanwhile move nothing."""
    if not cursor:
        return rows
    value, pk = _read_cursor(cursor, key)
    # The first condition alone lets the index start at the right place.
    later = Q(**{f"{key}__lt": value}) | Q(**{key: value, "id__lt": pk})
    return rows.filter(Q(**{f"{key}__lte": value}) & later)


def _cursor(sort: str, key: str, last: Adapter) -> str:
    value = getattr(last, key)
    plain = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, plain, last.pk]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, key: str) -> tuple[Any, int]:
    try:
        sort, value, pk = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if ORDERS[sort] != key:
            raise BadCursor("The cursor belongs to another sort order.")
        return (datetime.fromisoformat(value) if key == "published_at" else float(value)), int(pk)
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise BadCursor from error


FACETS = {
    "family": "family",
    "kind": "kind",
    "level": "content_level",
    "creator": "owner__slug",
}
ARRAY_FACETS = {"use": "permitted_uses", "tag": "tag_names"}


def adapter_facets(*, actor: Actor, query: AdapterQuery, limit: int = 12) -> tuple[dict[str, list[Facet]], bool]:
    """Counts per facet, each over the search without that facet's own choice; True when they were capped."""
    facets, capped = {}, False
    for name, column in {**FACETS, **ARRAY_FACETS}.items():
        rows = _narrowed(adapters_visible_to(actor), query.without(name))
        sample = rows.order_by(F("published_at").desc(), F("id").desc())[:CANDIDATES].values("pk")
        counts = _counts(Adapter.objects.filter(pk__in=sample), column, name in ARRAY_FACETS, limit)
        chosen = getattr(query, name)
        facets[name] = [Facet(value=v, count=n, chosen=v == chosen) for v, n in counts if v]
        capped = capped or sum(n for _, n in counts) >= CANDIDATES
    return facets, capped


def _counts(rows: QuerySet[Adapter], column: str, is_array: bool, limit: int) -> list[tuple[str, int]]:
    value = Func(F(column), function="unnest") if is_array else F(column)
    counted = rows.annotate(facet=value).values("facet").annotate(total=Count("pk")).order_by("-total", "facet")
    return [(row["facet"], row["total"]) for row in counted[:limit]]
