"""`list_models`: what one may find, narrowed by tags, words and owners, page by page by key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.http import QueryDict

from governance.rulebook import current_ruleset
from registry.compat.hub.cards import base_name, licence_facts, pipeline_of
from registry.compat.hub.errors import BadRequest
from registry.compat.hub.pages import cursor_of, read_cursor
from registry.models import Access, Adapter, BaseModel
from registry.selectors.access import adapters_visible_to
from registry.selectors.search import search_query
from registry.selectors.visibility import Actor
from registry.snippets import DIFFUSERS_LOADS

SORTS = {
    "trendingScore": "download_count",
    "trending_score": "download_count",
    "downloads": "download_count",
    "likes": "rating_count",
    "createdAt": "created_at",
    "created_at": "created_at",
    "lastModified": "latest__published_at",
    "last_modified": "latest__published_at",
}
PAGE, MOST, MOST_FULL = 100, 100, 25
NOTHING = Q(pk__in=[])
# What the Hub narrows by and nothing here has: who runs it, in which programs, and its own number of weights.
NEVER = ("apps", "inference", "inference_provider", "num_parameters")
LIBRARY = "diffusers"
BIGGEST = 2**63


@dataclass(frozen=True)
class AdapterPage:
    """Adapters of one page in order, and where the next begins; empty at the end."""

    adapters: list[Adapter]
    cursor: str = ""


def adapters_page(*, actor: Actor, query: QueryDict) -> AdapterPage:
    """One page of what `actor` may find; raises BadRequest that names what is accepted."""
    column, rising = _order(query)
    rows: QuerySet[Adapter] = adapters_visible_to(actor).filter(published_at__isnull=False, latest__isnull=False)
    for condition in _conditions(query):
        rows = rows.filter(condition)
    if (place := _place(query, column)) is not None:
        beyond = TupleGreaterThan if rising else TupleLessThan
        rows = rows.filter(beyond(Tuple(F(column), F("id")), place))
    order = (F(column).asc(), F("id").asc()) if rising else (F(column).desc(), F("id").desc())
    limit = _limit(query)
    related = rows.select_related("owner__user", "owner__organisation", "base_model", "latest").defer("search")
    found = list(related.order_by(*order)[: limit + 1])
    shown = found[:limit]
    more = len(found) > limit
    return AdapterPage(shown, cursor_of(column, _value(shown[-1], column), shown[-1].pk) if more else "")


def _value(adapter: Adapter, column: str) -> Any:
    value: Any = adapter
    for part in column.split("__"):
        value = getattr(value, part)
    return value


def _order(query: QueryDict) -> tuple[str, bool]:
    sort = query.get("sort") or "trendingScore"
    if sort not in SORTS:
        raise BadRequest(f"sort is one of {', '.join(sorted(SORTS))}, and not “{sort}”.")
    direction = query.get("direction") or "-1"
    if direction not in {"-1", "1"}:
        raise BadRequest("direction is -1 or 1.")
    return SORTS[sort], direction == "1"


def _limit(query: QueryDict) -> int:
    most = MOST_FULL if wants_files(query) else MOST
    value = query.get("limit") or str(PAGE)
    if not value.isascii() or not value.isdecimal() or len(value) > 9 or int(value) < 1:
        raise BadRequest("limit is a number from 1 on.")
    return min(int(value), most)


def wants_files(query: QueryDict) -> bool:
    """Whether the list is to name the files of each."""
    return query.get("full", "").lower() in {"true", "1"} or "siblings" in query.getlist("expand")


def _place(query: QueryDict, column: str) -> tuple[Any, int] | None:
    found = read_cursor(query.get("cursor", ""), column)
    if found is None:
        return None
    value, pk = found
    try:
        if column.endswith("_at"):
            value = datetime.fromisoformat(value)
            timed = value.tzinfo is not None
        else:
            timed = type(value) is int and abs(value) < BIGGEST
        if not timed or type(pk) is not int or not 0 <= pk < BIGGEST:
            raise ValueError("another column's value")
    except (TypeError, ValueError) as error:
        raise BadRequest("The cursor cannot be read. Start again without it.") from error
    return value, pk


def _conditions(query: QueryDict) -> list[Q]:
    """One condition for each thing that was asked; all are met."""
    words = [word for value in query.getlist("filter") for word in value.split(",")]
    words += [f"base_model:{value}" for value in query.getlist("base_model")]
    found = [_tagged(word.strip()) for word in words if word.strip()]
    if author := query.get("author"):
        found.append(Q(owner__slug=_plain(author).lower()))
    if text := query.get("search"):
        found.append(_searched(_plain(text)))
    if pipeline := query.get("pipeline_tag"):
        found.append(_of_bases(lambda base: pipeline_of(base) == pipeline))
    if (gated := query.get("gated")) is not None:
        found.append(_gated(gated))
    if any(query.get(name) for name in NEVER):
        found.append(NOTHING)
    return found


def _plain(text: str) -> str:
    return text.replace("\0", "")[:500]


def _searched(text: str) -> Q:
    """`owner/name` as it stands, else words."""
    owner, slash, name = text.lower().partition("/")
    if slash:
        return Q(owner__slug__startswith=owner, name__startswith=name)
    words = search_query(text)
    return Q(search=words) if words else NOTHING


def _tagged(tag: str) -> Q:
    tag = _plain(tag)
    kind, colon, value = tag.partition(":")
    if colon and kind == "license":
        return Q(licence_id__in=_licences(value))
    if colon and kind == "base_model":
        relation, _, named = value.partition(":")
        if not named:
            return _of_bases(lambda base: base_name(base).casefold() == value.casefold())
        # Everything here is an adapter of its base; nothing is a fine-tune, a merge or a quantisation of one.
        return (
            _of_bases(lambda base: base_name(base).casefold() == named.casefold()) if relation == "adapter" else NOTHING
        )
    if tag == LIBRARY:
        return Q()
    if tag in {"text-to-image", "text-to-video"}:
        return _of_bases(lambda base: pipeline_of(base) == tag)
    kinds = DIFFUSERS_LOADS if tag == "lora" else {tag}
    return Q(kind__in=sorted(kinds)) | Q(tag_names__contains=[tag])


def _licences(word: str) -> list[str]:
    """Our licences that the Hub calls by this word, and the one with this id."""
    wanted = word.casefold()
    return [
        licence_id
        for licence_id in current_ruleset().licences
        if wanted in {licence_id, licence_facts(licence_id)["license"], licence_facts(licence_id).get("license_name")}
    ]


def _of_bases(holds: Callable[[BaseModel], bool]) -> Q:
    return Q(base_model__in=[base.pk for base in BaseModel.objects.all() if holds(base)])


def _gated(value: str) -> Q:
    """Every download here passes a gate; some need their owner's word as well."""
    rules = {
        "true": Q(),
        "1": Q(),
        "auto": Q(access=Access.TERMS),
        "manual": Q(access=Access.GRANTED),
        "false": NOTHING,
        "0": NOTHING,
    }
    if (found := rules.get(value.lower())) is None:
        raise BadRequest("gated is true, false, auto or manual.")
    return found
