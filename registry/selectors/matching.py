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

WALK = 4000  # rows to begin with: a few milliseconds
FAR = 100_000  # rows; where matches are thinner than this finds, all of them are gathered
SPARE = 1.5  # matches are not spread evenly
LOOK_UP = 300_000  # walking so many rows takes as long as listing, from the inverted index, all there are

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


class Wanted:
    """What adapters have to have: words, values of columns, and members of lists."""

    def __init__(self, *, words: list[SearchQuery], columns: dict[str, Any], lists: dict[str, str]) -> None:
        # Each condition twice: as no inverted index knows it, and as it does.
        self.conditions: list[tuple[Q, Q]] = []
        vector = Func(F("search"), template="COALESCE(%(expressions)s, '')", output_field=SearchVectorField())
        for word in words:
            self.conditions.append((Q(SearchVectorExact(vector, word)), Q(search=word)))
        for column, value in lists.items():
            plain = Func(F(column), template="(%(expressions)s || '{}'::varchar[])", output_field=LIST)
            self.conditions.append((Q(ArrayContains(plain, [value])), Q(**{f"{column}__contains": [value]})))
        for column, value in columns.items():
            same = Q(**{column: value})
            indexed = Q(ArrayContains(Boxed(F(column)), [value])) if column in BOXED else same
            self.conditions.append((same, indexed))
        self.checked = Q(*(checked for checked, _ in self.conditions))
        self.has_order = len(self.conditions) == 1 and bool(columns) and columns.keys() <= IN_ORDER

    def to_look_up(self, sample: Rows, size: int, *, found: int, needed: int) -> Q:
        """The conditions that are rare enough to look up before `needed` rows are walked; empty where none is."""
        counts = [found]
        if len(self.conditions) > 1:
            counted = {f"n{i}": Count("pk", filter=checked) for i, (checked, _) in enumerate(self.conditions)}
            counts = list(sample.aggregate(**counted).values())
        rarest = min(counts)
        enough = rarest if rarest / size <= needed / LOOK_UP else -1
        if needed >= FAR:
            enough = 10 * rarest  # to fetch a row takes as long as to list ten
        pairs = zip(self.conditions, counts, strict=True)
        return Q(*(indexed for (_, indexed), count in pairs if count <= enough))


def first_matches(
    part: Part, *, wanted: Wanted, key: str, most: int, columns: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """`key`, id and `columns` of the first `most` rows that have what is wanted, in falling order of key and id."""
    rows = part.rows.filter(wanted.checked)
    walk = rows.order_by(F(key).desc(), F("pk").desc()).values_list(key, "pk", *columns)
    if part.rows is part.outline and (not wanted.conditions or (wanted.has_order and key == NEWEST)):
        return list(walk[:most])
    reach = WALK if wanted.conditions else 2 * most
    end = _place(part, key, reach)
    found = _down_to(walk, key, end, most)
    if end is None or len(found) >= most:
        return found
    needed = int(SPARE * reach * most / len(found)) if found else FAR
    sample = part.rows.filter(not_behind(key, end))
    rare = wanted.to_look_up(sample, reach, found=len(found), needed=needed)
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
