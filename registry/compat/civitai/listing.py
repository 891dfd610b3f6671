"""Models in an order, page by page by key: what is added meanwhile neither repeats an item nor skips one."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.http import QueryDict
from django.utils import timezone

from governance.policy import Use
from governance.policy.vocabulary import ObligationKind
from registry.compat.civitai import params as p
from registry.compat.civitai import words as w
from registry.compat.civitai.errors import BadRequest
from registry.compat.civitai.flags import BINDING
from registry.models import Adapter
from registry.models.adapters import ContentLevel
from registry.selectors.access import adapters_visible_to
from registry.selectors.search import search_query
from registry.selectors.visibility import Actor

LIMIT, MOST = 100, 100
LAST_PAGE = 1000  # pages by number are counted off in the database, so they end; cursors do not
USES = {
    "Image": Use.COMMERCIAL_OUTPUTS,
    "RentCivit": Use.HOSTED_SERVICE,
    "Rent": Use.HOSTED_SERVICE,
    "Sell": Use.SELLING_WEIGHTS,
}
NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class ModelQuery:
    """What a client asks `/models` for."""

    sort: str = "Most Downloaded"
    limit: int = LIMIT
    page: int | None = None
    place: tuple[Any, int] | None = None
    conditions: tuple[Q, ...] = field(default=())


@dataclass(frozen=True)
class ModelPage:
    """Adapters of one page in order, and where the next begins; empty at the end."""

    adapters: list[Adapter]
    next_cursor: str = ""


def model_query(query: QueryDict) -> ModelQuery:
    """Read the query string; raises BadRequest that names what is accepted."""
    sort = p.one_of(query, "sort", w.SORTS, "Most Downloaded")
    page = p.number_of(query, "page", default=0, least=0, most=LAST_PAGE) or None
    if page and p.text_of(query, "query"):
        raise BadRequest("page cannot be used with query. Follow metadata.nextPage, which carries a cursor.")
    return ModelQuery(
        sort=sort,
        limit=p.number_of(query, "limit", default=LIMIT, most=MOST),
        page=page,
        place=_place(query, sort),
        conditions=tuple(_conditions(query)),
    )


def models_page(*, actor: Actor, query: ModelQuery) -> ModelPage:
    """One page of what `actor` may find."""
    sort = w.SORTS[query.sort]
    rows: QuerySet[Adapter] = adapters_visible_to(actor).filter(published_at__isnull=False, latest__isnull=False)
    for condition in query.conditions:
        rows = rows.filter(condition)
    if query.place is not None:
        beyond = TupleGreaterThan if sort.rising else TupleLessThan
        rows = rows.filter(beyond(Tuple(F(sort.column), F("id")), query.place))
    order = (F(sort.column).asc(), F("id").asc()) if sort.rising else (F(sort.column).desc(), F("id").desc())
    first = (query.page - 1) * query.limit if query.page else 0
    related = rows.select_related("owner", "base_model", "latest").defer("search")
    found = list(related.order_by(*order)[first : first + query.limit + 1])
    shown = found[: query.limit]
    more = len(found) > query.limit
    last = (getattr(shown[-1], sort.column), shown[-1].pk) if shown else ("", 0)
    return ModelPage(shown, p.cursor_of(query.sort, *last) if more else "")


def _place(query: QueryDict, sort: str) -> tuple[Any, int] | None:
    found = p.read_cursor(query, sort)
    if found is None:
        return None
    value, pk = found
    if w.SORTS[sort].column == "published_at":
        value = p.moment_of(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadRequest("The cursor cannot be read. Start again without it.")
    if isinstance(pk, bool) or not isinstance(pk, int) or not 0 <= pk < p.BIGGEST or value_too_big(value):
        raise BadRequest("The cursor cannot be read. Start again without it.")
    return value, pk


def value_too_big(value: datetime | int | float) -> bool:
    return isinstance(value, int) and abs(value) >= p.BIGGEST


def _conditions(query: QueryDict) -> list[Q]:
    """One condition for each thing that was asked; a list is met by any of its words."""
    conditions = [_of_kind(query), _of_base(query), _of_level(query), _of_period(query), *_of_words(query)]
    conditions += [_of_commerce(query), _of_credit(query), _of_derivatives(query), _of_licence(query)]
    if ids := p.ids_of(query, "ids"):
        conditions.append(Q(pk__in=ids))
    return [condition for condition in conditions if condition]


def _of_kind(query: QueryDict) -> Q:
    types = p.chosen(query, "types", [*w.TYPES, *w.OTHER_TYPES])
    kinds = [kind for name in types for kind in w.TYPES.get(name, ())]
    return Q(kind__in=kinds) if types else Q()


def _of_base(query: QueryDict) -> Q:
    names = p.words_of(query, "baseModels")
    found, unknown = w.base_models_named(names)
    if unknown:
        accepted = ", ".join(w.accepted_base_models())
        raise BadRequest(f"baseModels does not know “{unknown[0]}”. Accepted: {accepted}.")
    return Q(base_model__in=found) if names else Q()


def _of_level(query: QueryDict) -> Q:
    """Without `nsfw=true` nothing that is for adults alone."""
    return Q() if p.flag_of(query, "nsfw") else ~Q(content_level=ContentLevel.MATURE)


def _of_period(query: QueryDict) -> Q:
    since = period_start(query)
    return Q(published_at__gte=since) if since else Q()


def period_start(query: QueryDict) -> datetime | None:
    """Since when; None for all time."""
    length: timedelta | None = w.PERIODS[p.one_of(query, "period", w.PERIODS, "AllTime")]
    return timezone.now() - length if length else None


def _of_words(query: QueryDict) -> list[Q]:
    found = []
    if text := p.text_of(query, "query"):
        words = search_query(text)
        found.append(Q(search=words) if words else NOTHING)
    if tags := [tag.lower() for tag in p.words_of(query, "tag")]:
        found.append(Q(tag_names__overlap=tags))
    if username := p.text_of(query, "username"):
        found.append(Q(owner__slug=username.lower()))
    return found


def _of_commerce(query: QueryDict) -> Q:
    words = p.chosen(query, "allowCommercialUse", w.COMMERCIAL)
    uses = sorted({USES[word].value for word in words if word in USES})
    nothing = ~Q(permitted_uses__overlap=sorted({use.value for use in USES.values()}))
    asked = [Q(permitted_uses__overlap=uses)] if uses else []
    asked += [nothing] if "None" in words else []
    return asked[0] | asked[-1] if asked else Q()


def _of_credit(query: QueryDict) -> Q:
    return _either(query, "allowNoCredit", Q(latest__credit_required=False) & ~_bound(ObligationKind.ATTRIBUTION))


def _of_derivatives(query: QueryDict) -> Q:
    return _either(query, "allowDerivatives", Q(permitted_uses__contains=[Use.MERGING.value]))


def _of_licence(query: QueryDict) -> Q:
    free = Q(latest__allow_different_licence=True) & ~_bound(ObligationKind.SHARE_ALIKE)
    return _either(query, "allowDifferentLicenses", free)


def _bound(kind: ObligationKind) -> Q:
    """A duty of this kind comes with one of the uses that `flags_of` looks at."""
    found = Q()
    for use in BINDING:
        found |= Q(latest__permissions__uses__contains={use.value: {"obligations": [{"kind": kind.value}]}})
    return found


def _either(query: QueryDict, name: str, holds: Q) -> Q:
    wanted = p.flag_of(query, name)
    if wanted is None:
        return Q()
    return holds if wanted else ~holds
