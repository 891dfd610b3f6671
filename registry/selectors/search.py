"""Search and browse: full text with prefixes, facets with counts, and paging by key."""

import base64
import binascii
import json
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, Func, Q, QuerySet
from django.db.models.fields import FloatField

from accounts.models import Namespace
from registry.errors import RegistryError
from registry.models import Adapter, BaseModel
from registry.selectors.access import adapters_visible_apart
from registry.selectors.matching import NEWEST, Place, Wanted, behind, from_place
from registry.selectors.visibility import Actor
from registry.selectors.ways import Estimates, Question, first_matches, gathered_once, searching

PAGE = 24
MAX_PAGE = 100
ORDERS = {"newest": "published_at", "downloads": "download_count", "rating": "rating", "relevance": "rank"}
SORTS = tuple(ORDERS)
# Facets and relevance look at this many matches, the newest, so that a word that everybody writes stays fast.
CANDIDATES = 400
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


def search_words(text: str) -> dict[str, SearchQuery]:
    """Every one of these must occur, the last letters of each may be missing."""
    words = dict.fromkeys(WORD.findall(text.lower())[:12])
    return {word: SearchQuery(f"'{word}':*", search_type="raw", config="simple") for word in words}


def search_query(text: str) -> SearchQuery | None:
    """All words in one; None when there is no word."""
    words = search_words(text)
    return reduce(and_, words.values()) if words else None


def search_condition(query: AdapterQuery) -> Q:
    """What an adapter has to fulfil, for who looks through few of them one by one."""
    return _wanted(_plain_query(query)).checked


def narrows(query: AdapterQuery) -> bool:
    """Whether the query asks for less than everything."""
    return _plain_query(query) != _plain_query(AdapterQuery())


def adapter_search(*, actor: Actor, query: AdapterQuery) -> Page:
    """One page of what `actor` may see and `query` asks for; by relevance, of the newest CANDIDATES of it."""
    with searching():
        return _page(_Matches(actor), query)


def adapter_facets(*, actor: Actor, query: AdapterQuery, limit: int = 12) -> tuple[dict[str, list[Facet]], bool]:
    """Counts per facet, each over the search without that facet's own choice; True when they were capped.

    Counted are the newest CANDIDATES matches, so every count is exact where there are no more.
    """
    with searching():
        return _facets(_Matches(actor), query, limit)


def adapter_browse(*, actor: Actor, query: AdapterQuery) -> tuple[Page, dict[str, list[Facet]], bool]:
    """Both at once, with the matches looked up once."""
    with searching():
        matches = _Matches(actor)
        matches.expect(query)
        facets = _facets(matches, query, limit=12)  # first: what it counts is often all there is to put in order
        return _page(matches, query), *facets


class _Matches:
    """The first matches of searches over everything that one person may see."""

    def __init__(self, actor: Actor) -> None:
        self._parts = adapters_visible_apart(actor)
        self._estimates = Estimates()
        self._wanted: dict[AdapterQuery, Wanted] = {}
        self._newest: dict[tuple[AdapterQuery, Place | None], list[tuple[Any, ...]]] = {}
        self._gathered: dict[tuple[AdapterQuery, str], list[tuple[Any, ...]]] = {}

    def expect(self, query: AdapterQuery) -> None:
        """Say that the page and the facets of this query are going to be asked for."""
        asked = {(_plain_query(query.without(name)), NEWEST): CANDIDATES + 1 for name in FACETS}
        key = ORDERS[_effective_sort(query).sort]
        if key not in (NEWEST, "rank") and not query.cursor:
            asked[_plain_query(query), key] = _limit(query) + 1
        questions = [Question(self.wanted(plain), key, most) for (plain, key), most in asked.items()]
        words = self.wanted(AdapterQuery(text=query.text))
        self._estimates.having(self.wanted(query).conditions)  # all at once
        everybodys, columns = self._parts[0], tuple(FACETS.values())
        answers = gathered_once(
            everybodys, words=words, questions=questions, estimates=self._estimates, columns=columns
        )
        self._gathered = {one: found for one, found in zip(asked, answers, strict=True) if found is not None}

    def first(
        self, query: AdapterQuery, *, key: str, most: int, among: Q | None = None, columns: tuple[str, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """`key`, id and `columns` of the first `most` matches, in falling order of key and id."""
        found: list[tuple[Any, ...]] = []
        wanted = self.wanted(query)
        for part in self._parts:
            narrowed = part.filter(among) if among else part
            if len(found) == most:  # only what comes before the last can count, and of what few see that is little
                narrowed = narrowed.not_behind(key, found[-1][:2])
            known = None if among or part is not self._parts[0] else self._gathered.get((_plain_query(query), key))
            if known is None:
                known = first_matches(
                    narrowed, wanted=wanted, key=key, most=most, columns=columns, estimates=self._estimates
                )
            found += [row[: 2 + len(columns)] for row in known]
            found = sorted(found, key=lambda row: row[:2], reverse=True)[:most]
        return found

    def wanted(self, query: AdapterQuery) -> Wanted:
        """What the query asks for, looked up once."""
        plain = _plain_query(query)
        if plain not in self._wanted:
            self._wanted[plain] = _wanted(plain)
        return self._wanted[plain]

    def in_order(self, query: AdapterQuery, *, key: str, most: int, place: Place | None) -> list[tuple[Any, ...]]:
        """Key and id of the first `most` matches behind a place; of the candidates, if these are known and enough."""
        known = self._newest.get((_plain_query(query), None))
        if known is not None and len(known) <= CANDIDATES:
            rows = Adapter.objects.filter(pk__in=[row[1] for row in known])
            rows = rows.filter(behind(key, place)) if place else rows
            return list(rows.order_by(F(key).desc(), F("id").desc()).values_list(key, "pk")[:most])
        if known is not None and key == NEWEST and place is None:
            return [row[:2] for row in known[:most]]
        return self.first(query, key=key, most=most, among=behind(key, place) if place else None)

    def candidates(self, query: AdapterQuery, since: Place | None = None) -> list[tuple[Any, ...]]:
        """What facets count and relevance ranks, and one more when there is more; from a place on if that is given."""
        plain = _plain_query(query)
        if since is None and (part := self._part_of_wider(plain)) is not None:
            self._newest[plain, None] = part
        if (plain, since) not in self._newest:
            among = from_place(NEWEST, since) if since else None
            columns = tuple(FACETS.values())
            self._newest[plain, since] = self.first(
                query, key=NEWEST, most=CANDIDATES + 1, among=among, columns=columns
            )
        return self._newest[plain, since]

    def _part_of_wider(self, query: AdapterQuery) -> list[tuple[Any, ...]] | None:
        """The matches among those of the same search with one choice less, where all of these are known."""
        for name, column in FACETS.items():
            wider = self._newest.get((query.without(name), None)) if getattr(query, name) else None
            if wider is not None and len(wider) <= CANDIDATES:
                value, place = self.wanted(query).value(column), _place_of(column)
                return [row for row in wider if value in (row[place] if isinstance(row[place], list) else [row[place]])]
        return None


def _plain_query(query: AdapterQuery) -> AdapterQuery:
    """What is looked for, without how it is shown."""
    return replace(query, sort="", cursor="", limit=0)


def _page(matches: _Matches, query: AdapterQuery) -> Page:
    query = _effective_sort(query)
    limit = _limit(query)
    place, since = _read_cursor(query) if query.cursor else (None, None)
    if query.sort == "relevance":
        candidates = matches.candidates(query, since)[:CANDIDATES]
        # Where the candidates begin goes with the cursor: rows added later are none, and move nothing.
        since = since or next((row[:2] for row in candidates), None)
        found = _ranked(query, [row[1] for row in candidates], place, limit + 1)
    else:
        key = ORDERS[query.sort]
        found = matches.in_order(query, key=key, most=limit + 1, place=place)
    more = len(found) > limit
    return Page(
        adapters=_loaded([row[1] for row in found[:limit]]),
        next_cursor=cursor_at(query.sort, found[limit - 1], since) if more else "",
    )


def _ranked(query: AdapterQuery, candidates: list[int], place: Place | None, most: int) -> list[tuple[Any, ...]]:
    """Rank and id of the best of the candidates, behind a place if that is given."""
    rank = Func(
        SearchRank(F("search"), search_query(query.text) or SearchQuery("")),
        # Rounded, so that the key in a cursor is exactly the key in the database.
        template="(ROUND((%(expressions)s)::numeric, 6))::float8",
        output_field=FloatField(),
    )
    rows = Adapter.objects.filter(pk__in=candidates).annotate(rank=rank)
    if place is not None:
        rows = rows.filter(behind("rank", place))
    return list(rows.order_by(F("rank").desc(), F("id").desc()).values_list("rank", "pk")[:most])


def _loaded(ids: list[int]) -> list[Adapter]:
    """These adapters in this order, with what a card shows; the index of their words stays in the database."""
    rows = Adapter.objects.select_related("owner__user", "owner__organisation", "base_model", "latest")
    found = rows.defer("search").in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def _limit(query: AdapterQuery) -> int:
    return max(1, min(query.limit, MAX_PAGE))


def _effective_sort(query: AdapterQuery) -> AdapterQuery:
    sort = query.sort if query.sort in SORTS else "newest"
    if sort == "relevance" and search_query(query.text) is None:
        sort = "newest"
    return replace(query, sort=sort)


def _wanted(query: AdapterQuery) -> Wanted:
    columns: dict[str, str | int] = {"family": query.family, "kind": query.kind, "content_level": query.level}
    # Looked up first: the database guesses well how many rows an id has, and badly how many a joined row has.
    if query.creator:
        columns["owner_id"] = _id_or_nobody(Namespace.objects.filter(slug=query.creator.lower()))
    if query.base_model:
        columns["base_model_id"] = _id_or_nobody(BaseModel.objects.filter(slug=query.base_model))
    lists = {"permitted_uses": query.use, "tag_names": query.tag.lower()}
    return Wanted(
        words=search_words(query.text),
        columns={name: value for name, value in columns.items() if value},
        lists={name: value for name, value in lists.items() if value},
    )


def _id_or_nobody(found: QuerySet[Any]) -> int:
    return found.values_list("pk", flat=True).first() or -1


def cursor_at(sort: str, last: Place, since: Place | None = None) -> str:
    """The cursor of the page behind this place; by relevance with the place of the first candidate."""
    plain = [sort, *_plain(last), *(_plain(since) if since else [])]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _plain(place: Place) -> list[Any]:
    value, pk = place
    return [value.isoformat() if isinstance(value, datetime) else value, pk]


def _read_cursor(query: AdapterQuery) -> tuple[Place, Place | None]:
    """The last row's place in this sort, and by relevance the first candidate's among the newest."""
    try:
        cursor = query.cursor + "=" * (-len(query.cursor) % 4)
        sort, value, pk, *since = json.loads(base64.urlsafe_b64decode(cursor))
        if ORDERS[sort] != ORDERS[query.sort]:
            raise BadCursor("The cursor belongs to another sort order.")
        if sort == "relevance":
            return (_finite(value), int(pk)), (_moment(since[0]), int(since[1]))
        return (_moment(value) if sort == "newest" else _finite(value), int(pk)), None
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, binascii.Error) as error:
        raise BadCursor from error


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)  # raises OverflowError for what lies before the first year


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no number that orders anything")
    return number


FACETS = {
    "family": "family",
    "kind": "kind",
    "level": "content_level",
    "creator": "owner_id",
    "use": "permitted_uses",
    "tag": "tag_names",
}


def _facets(matches: _Matches, query: AdapterQuery, limit: int) -> tuple[dict[str, list[Facet]], bool]:
    facets, capped = {}, False
    for name in sorted(FACETS, key=lambda name: not getattr(query, name)):  # those first that leave most
        matches.candidates(query.without(name))
    for name, column in FACETS.items():
        found = matches.candidates(query.without(name))
        capped = capped or len(found) > CANDIDATES
        facets[name] = _values(found[:CANDIDATES], column, limit, chosen=getattr(query, name))
    return facets, capped


def _values(matches: list[tuple[Any, ...]], column: str, limit: int, *, chosen: str) -> list[Facet]:
    """The commonest values of one column, with how many of the matches have each."""
    place = _place_of(column)
    counts: Counter[Any] = Counter()
    for row in matches:
        counts.update(row[place] if isinstance(row[place], list) else [row[place]])
    if column == "owner_id":
        counts = _by_slug(counts, limit)
    common = sorted(((value, count) for value, count in counts.items() if value), key=lambda item: (-item[1], item[0]))
    return [Facet(value=value, count=count, chosen=value == chosen) for value, count in common[:limit]]


def _place_of(column: str) -> int:
    """Where a candidate has this column: behind its key and id."""
    return 2 + list(FACETS.values()).index(column)


def _by_slug(counts: Counter[int], limit: int) -> Counter[str]:
    """The same counts by the owner's name, of those that can be among the first `limit`."""
    least = sorted(counts.values(), reverse=True)[:limit][-1:]
    likely = [pk for pk, count in counts.items() if count >= least[0]]
    slugs = dict(Namespace.objects.filter(pk__in=likely).values_list("pk", "slug"))
    return Counter({slugs[pk]: counts[pk] for pk in likely if pk in slugs})
