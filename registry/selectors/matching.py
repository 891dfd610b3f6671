"""Which adapters match a search, found in order and in bounded time however many do.

Two ways lead to the first matches in an order. Walking the index of that order is fast where many adapters match, and
gathering all matches from the inverted index is fast where few do. The database chooses by how often each word and
each choice occurs alone, counts a look into the inverted index for almost nothing, and is wrong by orders of magnitude
where two choices exclude each other. So here the walk has an end, how much it met tells what to do next, and each
condition is worded so that the database can follow no other way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains  # type: ignore[attr-defined]
from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db import connection, transaction
from django.db.models import BigIntegerField, CharField, Count, F, Func, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThanOrEqual, TupleLessThan, TupleLessThanOrEqual
from django.db.models.lookups import Exact

from registry.models import Adapter
from registry.models.adapters import Boxed

SHORT_WALK, WALK = 1000, 4000  # rows to begin with, for a few matches and for many: a few milliseconds
SAMPLE = 1000  # rows, of which is counted how common each condition is
FAR = 150_000  # rows; where matches are thinner than this finds, all of them are gathered
LED = 16_000  # rows that are walked at most along the index of one choice: as long as gathering takes
SPARE = 1.5  # matches are not spread evenly
OFTEN = 0.2  # of all rows: what is as common as this is never looked up on the way to a few matches


@dataclass(frozen=True)
class Lookup:
    """What it costs to list the rows that have something, from the inverted index: measured with a million rows."""

    listed_per_fetch: int  # rows listed in the time that one row is fetched in
    walked_per_listing: int  # rows walked in the time that all rows are listed in


PREFIX, VALUE = Lookup(3, 600_000), Lookup(30, 150_000)

Place = tuple[Any, int]  # in an order: the value that orders, and the id
Rows = QuerySet[Adapter]
NEWEST = "published_at"
# What makes a column unknown to every index without changing it.
SAME = {str: "|| ''", int: "+ 0"}
FIELDS: dict[type, Any] = {str: CharField(), int: BigIntegerField()}
LIST = ArrayField(CharField())
IN_ORDER = {"family", "kind", "owner_id"}  # these have an index of their own by newest


@dataclass(frozen=True)
class _Condition:
    """One condition as no index knows it, and as the inverted one does; and how cheap it is there."""

    name: str
    checked: Q
    indexed: Q
    cost: Lookup


class Wanted:
    """What adapters have to have: words, values of columns, and members of lists."""

    def __init__(self, *, words: dict[str, SearchQuery], columns: dict[str, Any], lists: dict[str, str]) -> None:
        self.conditions: list[_Condition] = []
        vector = Func(F("search"), template="COALESCE(%(expressions)s, '')", output_field=SearchVectorField())
        for word, query in words.items():
            self._add(word, SearchVectorExact(vector, query), Q(search=query), PREFIX)
        for column, value in lists.items():
            plain = Func(F(column), template="(%(expressions)s || '{}'::varchar[])", output_field=LIST)
            self._add(f"{column} {value}", ArrayContains(plain, [value]), Q(**{f"{column}__contains": [value]}), VALUE)
        for column, value in columns.items():
            field = FIELDS[type(value)]
            plain = Func(F(column), template=f"(%(expressions)s {SAME[type(value)]})", output_field=field)
            boxed = Boxed(F(column), output_field=ArrayField(field))
            self._add(f"{column} {value}", Exact(plain, value), Q(ArrayContains(boxed, [value])), VALUE)
        self.checked = Q(*(condition.checked for condition in self.conditions))
        self._in_order = {f"{name} {value}": Q(**{name: value}) for name, value in columns.items() if name in IN_ORDER}

    @property
    def in_order(self) -> Q:
        """A single choice whose newest lie in an index of their own, if that is all that is wanted."""
        return next(iter(self._in_order.values()), Q()) if len(self.conditions) == 1 else Q()

    def leading(self, counts: list[int]) -> Q:
        """The rarest of the choices whose newest lie in an index of their own."""
        pairs = zip(counts, self.conditions, strict=True)
        led = sorted((count, one.name) for count, one in pairs if one.name in self._in_order)
        return self._in_order[led[0][1]] if led else Q()

    def _add(self, name: str, checked: Any, indexed: Q, cost: Lookup) -> None:
        self.conditions.append(_Condition(name, Q(checked), indexed, cost))

    def looked_up(self, counts: list[int], *, needed: int) -> Q:
        """The conditions, in the inverted index's words where they are rare enough for so many rows."""
        rarest = min(counts)
        if needed >= FAR:
            pairs = zip(self.conditions, counts, strict=True)
            return self._worded([count <= max(rarest, 1) * one.cost.listed_per_fetch for one, count in pairs])
        first = counts.index(rarest)
        enough = min(needed / self.conditions[first].cost.walked_per_listing, OFTEN) * SAMPLE
        return self._worded([rarest <= enough and place == first for place in range(len(counts))])

    def _worded(self, indexed: list[bool]) -> Q:
        if not any(indexed):
            return self.checked
        pairs = zip(self.conditions, indexed, strict=True)
        return Q(*(one.indexed if look_up else one.checked for one, look_up in pairs))


class _Sample:
    """The newest rows of a part, and how many of them meet each condition that was asked about."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.order_by(F(NEWEST).desc(), F("pk").desc())[:SAMPLE]
        self._counts: dict[str, int] = {}

    def size(self, wanted: Wanted) -> int:
        self.counts(wanted)
        return self._counts[""]

    def counts(self, wanted: Wanted) -> list[int]:
        new = [condition for condition in wanted.conditions if condition.name not in self._counts]
        if new:
            counted = {f"n{place}": Count("pk", filter=condition.checked) for place, condition in enumerate(new)}
            found = self._rows.aggregate(size=Count("pk"), **counted)
            self._counts[""] = found["size"]
            self._counts |= {condition.name: found[f"n{place}"] for place, condition in enumerate(new)}
        return [self._counts[condition.name] for condition in wanted.conditions]


class Part:
    """Adapters that one index can walk; `outline` has them and perhaps a few more, and needs that index alone."""

    def __init__(self, rows: Rows, outline: Rows, sample: _Sample | None = None) -> None:
        self.rows, self.outline = rows, outline
        self.sample = sample or _Sample(rows)

    def filter(self, condition: Q) -> "Part":
        """A stretch of it; the sample stays that of the whole."""
        outline = self.outline.filter(condition)
        rows = outline if self.rows is self.outline else self.rows.filter(condition)
        return Part(rows, outline, self.sample)


SEARCHING = {
    # Otherwise the database reads the table from end to end where many rows have one value of the order: of a stretch
    # of pairs it knows only how many rows the first values cover.
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",  # to start a worker takes longer than what is left to do
    "work_mem": "32MB",  # with less, a list of rows that are looked up becomes one of pages
}


@contextmanager
def searching() -> Iterator[None]:
    """The database's settings while matches are sought; they end with the transaction."""
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SEARCHING.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {settings}")
        yield


def first_matches(
    part: Part, *, wanted: Wanted, key: str, most: int, columns: tuple[str, ...] = (), short: bool = False
) -> list[tuple[Any, ...]]:
    """`key`, id and `columns` of the first `most` rows that have what is wanted, in falling order of key and id.

    `short` says that the part is known to hold few rows.
    """
    taken = (key, "pk", *columns)
    ordered = part.rows.order_by(F(key).desc(), F("pk").desc())
    if not wanted.conditions:
        return _unnarrowed(part, key, most, taken, short=short)
    if part.rows is part.outline and wanted.in_order and key == NEWEST:
        return _down_to(ordered.filter(wanted.in_order).values_list(*taken), key, None, most)
    checked = ordered.filter(wanted.checked).values_list(*taken)
    if short or part.sample.size(wanted) < SAMPLE:
        return _down_to(checked, key, None, most)
    counts = part.sample.counts(wanted)
    needed = most * SAMPLE // max(min(counts), 1)  # if all that meet the rarest condition meet the others
    if needed < FAR:
        reach = min(max(SHORT_WALK, 4 * most), WALK)
        end = _place(part, key, reach)
        found = _down_to(checked, key, end, most)
        if end is None or len(found) >= most:
            return found
        needed = int(SPARE * reach * most / len(found)) if found else FAR
    if key == NEWEST and (lead := wanted.leading(counts)) and part.rows is part.outline:
        led = _led(part.filter(lead), wanted, most, taken)
        if led is not None:
            return led
    looked_up = wanted.looked_up(counts, needed=needed)
    if looked_up is not wanted.checked:
        # This order is that of no index, so that the database does not walk any: `key` is never null here.
        ordered = part.rows.order_by(F(key).desc(nulls_last=True), F("pk").desc())
    return _among(part, ordered.filter(looked_up).values_list(*taken), key, most, needed=needed)


def _among(part: Part, matches: Any, key: str, most: int, *, needed: int) -> list[tuple[Any, ...]]:
    """The first of the matches among about `needed` rows, or else of all of them."""
    if needed < FAR:
        end = _place(part, key, needed)
        found = _down_to(matches, key, end, most)
        if end is None or len(found) >= most:
            return found
    return _down_to(matches, key, None, most)


def _led(stretch: Part, wanted: Wanted, most: int, taken: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
    """The first matches along the index of one choice; None where they are too thin there as well.

    What went out of fashion is rare among the newest, and yet frequent among its own.
    """
    checked = stretch.rows.order_by(F(NEWEST).desc(), F("pk").desc()).filter(wanted.checked).values_list(*taken)
    reach = WALK
    while reach <= LED:
        end = _place(stretch, NEWEST, reach)
        found = _down_to(checked, NEWEST, end, most)
        if end is None or len(found) >= most:
            return found
        if not found:
            break
        reach = max(2 * reach, int(SPARE * reach * most / len(found)))
    return None


def _unnarrowed(part: Part, key: str, most: int, taken: tuple[str, ...], *, short: bool) -> list[tuple[Any, ...]]:
    """The first rows of the part; a part that is checked for who may see it has its end found on the outline."""
    rows = part.rows.order_by(F(key).desc(), F("pk").desc()).values_list(*taken)
    if part.rows is not part.outline and not short:
        end = _place(part, key, 2 * most)
        found = _down_to(rows, key, end, most)
        if end is None or len(found) >= most:
            return found
    return _down_to(rows, key, None, most)


def _down_to(rows: Any, key: str, end: Place | None, most: int) -> list[tuple[Any, ...]]:
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
