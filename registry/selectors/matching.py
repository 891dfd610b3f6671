"""What a search asks for, worded so that the database can follow one way only, and stretches of adapters in an order.

Each condition is known in two wordings: one that no index knows, which is checked row by row, and one that the
inverted index over words, tags, uses and choices looks up. Which of the ways is the shorter: `registry.selectors.ways`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains  # type: ignore[attr-defined]
from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db.models import BigIntegerField, BooleanField, CharField, F, Func, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThanOrEqual, TupleLessThan, TupleLessThanOrEqual
from django.db.models.lookups import Exact

from registry.models import Adapter
from registry.models.adapters import Boxed


@dataclass(frozen=True)
class Lookup:
    """What it costs to list the rows that have something, from the inverted index: measured with a million rows."""

    listed_per_walked: int  # rows listed in the time that one row is walked in


PREFIX, VALUE = Lookup(2), Lookup(20)

Place = tuple[Any, int]  # in an order: the value that orders, and the id
Rows = QuerySet[Adapter]
NEWEST = "published_at"
# What makes a column unknown to every index without changing it.
SAME = {str: "|| ''", int: "+ 0"}
FIELDS: dict[type, Any] = {str: CharField(), int: BigIntegerField()}
LIST = ArrayField(CharField())
IN_ORDER = {"family", "kind", "owner_id"}  # these have an index of their own by newest


@dataclass(frozen=True)
class Condition:
    """One condition as no index knows it, and as the inverted one does; and how cheap it is there."""

    name: str
    checked: Q
    indexed: Q
    cost: Lookup

    @property
    def word(self) -> bool:
        return self.cost is PREFIX


class Wanted:
    """What adapters have to have: words, values of columns, and members of lists."""

    def __init__(self, *, words: dict[str, SearchQuery], columns: dict[str, Any], lists: dict[str, str]) -> None:
        self.conditions: list[Condition] = []
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
        self._values: dict[str, Any] = {**lists, **columns}
        self._in_order = {f"{name} {value}": Q(**{name: value}) for name, value in columns.items() if name in IN_ORDER}

    def value(self, column: str) -> Any:
        """What this column has to be, or to hold."""
        return self._values[column]

    @property
    def in_order(self) -> Q:
        """A single choice whose newest lie in an index of their own, if that is all that is wanted."""
        return next(iter(self._in_order.values()), Q()) if len(self.conditions) == 1 else Q()

    def leading(self, place: int) -> Q:
        """One condition in the words of an index that orders its newest; empty where there is none."""
        return self._in_order.get(self.conditions[place].name, Q())

    def _add(self, name: str, checked: Any, indexed: Q, cost: Lookup) -> None:
        self.conditions.append(Condition(name, Q(checked), indexed, cost))

    def worded(self, indexed: Sequence[bool]) -> Q:
        """The conditions, those marked in the inverted index's words."""
        pairs = zip(self.conditions, indexed, strict=True)
        return Q(*(one.indexed if look_up else one.checked for one, look_up in pairs))


class Part:
    """Adapters that one index can walk; `outline` has them and perhaps a few more, and needs that index alone.

    `sized` is an outline whose size the database can guess: of what lies behind a pair it cannot, where many rows have
    the same first value.
    """

    def __init__(self, rows: Rows, outline: Rows, sized: Rows | None = None) -> None:
        self.rows, self.outline = rows, outline
        self.sized = outline if sized is None else sized

    @property
    def whole(self) -> bool:
        """Whether the index alone says what belongs to it."""
        return self.rows is self.outline

    def filter(self, condition: Q) -> "Part":
        """A stretch of it."""
        outline = self.outline.filter(condition)
        return Part(outline if self.whole else self.rows.filter(condition), outline, self.sized)

    def not_behind(self, key: str, place: Place) -> "Part":
        """What lies at a place in falling order of `key`, and before it."""
        outline = self.outline.filter(not_behind(key, place))
        if self.whole:
            return Part(outline, outline)
        if key == NEWEST:
            return Part(self.rows.filter(not_behind(key, place)), outline)
        # This order is only noted in the index: told apart there, the rows beyond are not fetched.
        one = Func(ArraySubquery(outline.values("pk")), function="ANY", output_field=BigIntegerField())
        among = Func(F("pk"), one, template="(%(expressions)s)", arg_joiner=" = ", output_field=BooleanField())
        return Part(self.rows.filter(among), outline)


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
