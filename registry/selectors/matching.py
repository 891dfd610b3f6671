"""Which adapters match a search, found in order and in bounded time however many do.

Two ways lead to the first matches in an order. Walking the index of that order is fast where many adapters match, and
gathering all matches from the inverted index is fast where few do. The database chooses by how often each word and
each choice occurs alone, counts a look into the inverted index for almost nothing, and is wrong by orders of magnitude
where two choices exclude each other. So here the walk has an end, how much it met tells what to do next, and each
condition is worded so that the database can follow no other way.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains  # type: ignore[attr-defined]
from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db.models import CharField, Count, F, Func, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThanOrEqual, TupleLessThan, TupleLessThanOrEqual

from registry.models import Adapter
from registry.models.adapters import Boxed

SHORT_WALK, WALK = 1000, 4000  # rows to begin with, for a few matches and for many: a few milliseconds
SAMPLE = 1000  # rows, of which is counted how common each condition is
FAR = 200_000  # rows; where matches are thinner than this finds, all of them are gathered
SPARE = 1.5  # matches are not spread evenly
LOOK_UP = 300_000  # walking so many rows takes as long as listing, from the inverted index, all there are
# To fetch a row takes as long as to list so many by a word's first letters, or by a value.
PREFIXES, VALUES = 10, 200

Place = tuple[Any, int]  # in an order: the value that orders, and the id
Rows = QuerySet[Adapter]
NEWEST = "published_at"
BOXED = {"family", "kind", "content_level"}
LIST = ArrayField(CharField())
IN_ORDER = {"family", "kind", "owner_id"}  # these have an index of their own by newest


@dataclass(frozen=True)
class Part:
    """Adapters that one index can walk; `outline` has them and perhaps a few more, and needs that index alone."""

    rows: Rows
    outline: Rows

    def filter(self, condition: Q) -> "Part":
        return Part(self.rows.filter(condition), self.outline.filter(condition))


@dataclass(frozen=True)
class _Condition:
    """One condition as no inverted index knows it, and as it does; and how cheap it is there."""

    checked: Q
    indexed: Q
    listed_per_fetch: int


class Wanted:
    """What adapters have to have: words, values of columns, and members of lists."""

    def __init__(self, *, words: list[SearchQuery], columns: dict[str, Any], lists: dict[str, str]) -> None:
        self.conditions: list[_Condition] = []
        vector = Func(F("search"), template="COALESCE(%(expressions)s, '')", output_field=SearchVectorField())
        for word in words:
            self.conditions.append(_Condition(Q(SearchVectorExact(vector, word)), Q(search=word), PREFIXES))
        for column, value in lists.items():
            plain = Func(F(column), template="(%(expressions)s || '{}'::varchar[])", output_field=LIST)
            contains = Q(**{f"{column}__contains": [value]})
            self.conditions.append(_Condition(Q(ArrayContains(plain, [value])), contains, VALUES))
        for column, value in columns.items():
            same = Q(**{column: value})
            indexed = Q(ArrayContains(Boxed(F(column)), [value])) if column in BOXED else same
            self.conditions.append(_Condition(same, indexed, VALUES))
        self.checked = Q(*(condition.checked for condition in self.conditions))
        self.has_order = len(self.conditions) == 1 and bool(columns) and columns.keys() <= IN_ORDER

    def to_look_up(self, sample: Rows, *, needed: int) -> Q:
        """The conditions that are rare enough to look up before `needed` rows are walked; empty where none is."""
        counted = {f"n{i}": Count("pk", filter=one.checked) for i, one in enumerate(self.conditions)}
        counts = list(sample.aggregate(**counted).values())
        rarest = min(counts)
        if needed >= FAR:
            pairs = zip(self.conditions, counts, strict=True)
            return Q(*(one.indexed for one, count in pairs if count <= max(rarest, 1) * one.listed_per_fetch))
        if rarest / SAMPLE > needed / LOOK_UP:
            return Q()
        return self.conditions[counts.index(rarest)].indexed


def first_matches(
    part: Part, *, wanted: Wanted, key: str, most: int, columns: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """`key`, id and `columns` of the first `most` rows that have what is wanted, in falling order of key and id."""
    rows = part.rows.filter(wanted.checked)
    walk = rows.order_by(F(key).desc(), F("pk").desc()).values_list(key, "pk", *columns)
    if part.rows is part.outline and (not wanted.conditions or (wanted.has_order and key == NEWEST)):
        return list(walk[:most])
    reach = min(max(SHORT_WALK, 4 * most), WALK) if wanted.conditions else 2 * most
    end = _place(part, key, reach)
    found = _down_to(walk, key, end, most)
    if end is None or len(found) >= most:
        return found
    needed = int(SPARE * reach * most / len(found)) if found else FAR
    sample = part.rows.filter(not_behind(key, _place(part, key, SAMPLE) or end))
    rare = wanted.to_look_up(sample, needed=needed)
    if rare:
        # This order is that of no index, so that the database does not walk any: `key` is never null here.
        walk = rows.filter(rare).order_by(F(key).desc(nulls_last=True), F("pk").desc())
        walk = walk.values_list(key, "pk", *columns)
    if needed < FAR:
        end = _place(part, key, needed)
        found = _down_to(walk, key, end, most)
        if end is None or len(found) >= most:
            return found
    return list(walk[:most])


def _down_to(rows: QuerySet[Any, Any], key: str, end: Place | None, most: int) -> list[tuple[Any, ...]]:
    return list((rows if end is None else rows.filter(not_behind(key, end)))[:most])


def _place(part: Part, key: str, number: int) -> Place | None:
    """The place of the row with about this number in falling order; None when there are fewer."""
    rows = part.outline.order_by(F(key).desc(), F("pk").desc()).values_list(key, "pk")
    return next(iter(rows[number : number + 1]), None)


# Key and id are compared as a pair, which an index reads as one stretch even where many values are equal.
def _pair(key: str) -> Tuple:
    return Tuple(F(key), F("id"))


def behind(key: str, place: Place) -> Q:
    """Rows behind this place in falling order."""
    return Q(TupleLessThan(_pair(key), place))


def from_place(key: str, place: Place) -> Q:
    """Rows at this place in falling order, and behind it."""
    return Q(TupleLessThanOrEqual(_pair(key), place))


def not_behind(key: str, place: Place) -> Q:
    """Rows at this place in falling order, and before it."""
    return Q(TupleGreaterThanOrEqual(_pair(key), place))
