"""Ways to the first matches of a search, in order and in bounded time however many adapters match.

Walking the index of an order is fast where many adapters match, and gathering all matches from the inverted index is
fast where few do. The database guesses well how many rows have one word or one choice, and badly which way is the
shorter: it counts a look into the inverted index for almost nothing, and takes conditions for independent, which is
wrong by orders of magnitude where two exclude each other. So its numbers are asked for and its choice is not: what each
way costs follows from them, a walk has an end, and how much it met corrects what was expected. A wrong guess costs
time and changes no answer.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q, Value

from registry.models import Adapter
from registry.models.adapters import LISTED
from registry.selectors.matching import NEWEST, Condition, Part, Place, Rows, Wanted, not_behind

# Costs are counted in rows that are walked and checked: about a microsecond each, with a million rows.
SHORT_WALK = 1000  # rows that are walked at least
LED = 16_000  # rows that are walked at most along the index of one choice
SAMPLE = 1000  # rows, of which is counted how common each word is
SPARE = 1.5  # matches are not spread evenly
GATHERED = 2  # what a row costs that is fetched alone, and not with its neighbours
NOTED = 15  # rows of an index that are read, or put into a bitmap, in the time that one row is walked in

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


class Estimates:
    """How many rows have something, as the database expects and the newest show; each question is asked once."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self._recent: dict[str, float] = {}

    def everything(self) -> float:
        return self._rows("", Adapter.objects.all())

    def having(self, conditions: list[Condition]) -> list[float]:
        """Rows that meet each condition.

        Of words the database knows the thousand most frequent, and expects too few where many others begin alike; so
        the newest are looked at too.
        """
        new = [one for one in conditions if one.name not in self._recent]
        if any(one.word for one in new):
            self._sample(new)
        return [min(self._rows(one.name, Adapter.objects.filter(one.indexed)), self.everything()) for one in conditions]

    def shares(self, conditions: list[Condition]) -> list[float]:
        """How large a part meets each condition, of all or of the newest: the smaller, for what goes out of fashion."""
        counts = self.having(conditions)
        return [
            min(count / self.everything(), self._recent.get(one.name, 1.0))
            for count, one in zip(counts, conditions, strict=True)
        ]

    def within(self, rows: Rows) -> float:
        return min(self._rows(str(rows.query), rows), self.everything())

    def _sample(self, conditions: list[Condition]) -> None:
        newest = Adapter.objects.filter(LISTED).order_by(F(NEWEST).desc(), F("pk").desc())[:SAMPLE]
        counts = {f"n{n}": Count("pk", filter=one.checked) for n, one in enumerate(conditions)}
        counted = newest.aggregate(size=Count("pk"), **counts)
        for n, one in enumerate(conditions):
            met, size = counted[f"n{n}"], max(counted["size"], 1)
            self._recent[one.name] = 1.0 if one.word else (met + 1) / (size + 1)
            if one.word:  # how often a word occurs is not a matter of fashion, and so few rows tell it badly
                expected = self._rows(one.name, Adapter.objects.filter(one.indexed))
                self._known[one.name] = max(expected, met * self.everything() / size)

    def _rows(self, name: str, rows: Rows) -> float:
        if name not in self._known:
            (plan,) = json.loads(rows.values("pk").explain(format="json"))
            self._known[name] = max(float(plan["Plan"]["Plan Rows"]), 1.0)
        return self._known[name]


@dataclass(frozen=True)
class _Way:
    """The conditions that are looked up, down to which row in the order, and what that costs; None is to the end."""

    cost: float
    indexed: tuple[bool, ...]
    rows: int | None = None


class _Expected:
    """What the ways to what is wanted in one part would cost."""

    def __init__(self, part: Part, wanted: Wanted, estimates: Estimates) -> None:
        self._everything, self._whole = estimates.everything(), part.whole
        self.size = estimates.within(part.sized)
        self._conditions = wanted.conditions
        self._counts, self._shares = estimates.having(wanted.conditions), estimates.shares(wanted.conditions)

    def likely(self, most: int, *, without: int | None = None) -> int:
        """Rows among which there are `most` matches, if conditions have nothing to do with each other."""
        rows = SPARE * most
        for place, share in enumerate(self._shares):
            rows *= 1 if place == without else 1 / share
        return int(min(max(rows, SHORT_WALK), self._everything))

    def led(self, place: int, most: int) -> float:
        """What a walk along the index of one condition costs."""
        return min(self._counts[place], self.likely(most, without=place))

    def walk(self, rows: int | None = None) -> _Way:
        """Checking row by row, among the first `rows` or all; it stops where enough have been met."""
        cost = self.size if rows is None else min(rows / SPARE, self.size) + min(rows, self.size) / NOTED
        return _Way(cost, (False,) * len(self._conditions), rows)

    def look_up(self, rows: int | None = None) -> _Way:
        """The best choice of conditions to look up, among the first `rows` or all."""
        reached = (self.size if rows is None else min(rows, self.size)) / self._everything
        listing = [
            count / one.cost.listed_per_walked for count, one in zip(self._counts, self._conditions, strict=True)
        ]
        first, *others = sorted(range(len(listing)), key=lambda n: listing[n] + GATHERED * reached * self._counts[n])
        indexed, cost, left = {first}, listing[first], self._counts[first]
        for place in others:
            share = self._counts[place] / self._everything
            if listing[place] < left * (1 - share) * (GATHERED * reached + 1 / NOTED):
                indexed, cost, left = indexed | {place}, cost + listing[place], left * share
        cost += left * (GATHERED * reached + 1 / NOTED)
        if rows is not None:
            cost += 2 * rows / NOTED  # to find the last of them, and to list them
        elif not self._whole:
            cost += self.size / NOTED
        return _Way(cost, tuple(place in indexed for place in range(len(listing))), rows)

    def together(self, rows: int | None) -> _Way:
        """The same for several questions at once: what is found is kept, and nothing stops before the end."""
        way = min(self.look_up(rows), replace(self.walk(rows), cost=rows or self.size), key=lambda way: way.cost)
        kept = (self.size if rows is None else rows) * math.prod(count / self._everything for count in self._counts)
        return replace(way, cost=way.cost + kept)

    def best(self, most: int) -> _Way:
        """What is likely to cost least before `most` are found."""
        rows = self.likely(most)
        return min(self.walk(rows), self.walk(), self.look_up(rows), self.look_up(), key=lambda way: way.cost)


@dataclass(frozen=True)
class _Sought:
    """The first `most` of a part that have what is wanted, in falling order of `key` and id."""

    part: Part
    wanted: Wanted
    expected: _Expected
    key: str
    most: int
    taken: tuple[str, ...]

    def rows(self, way: _Way) -> tuple[list[tuple[Any, ...]], bool]:
        """What is found by this way, and whether that is all or enough."""
        # Looked up, the order is that of no index, so that the database does not walk any: `key` is never null here.
        falling = F(self.key).desc(nulls_last=True) if any(way.indexed) else F(self.key).desc()
        rows = self.part.rows.filter(self.wanted.worded(way.indexed)).order_by(falling, F("pk").desc())
        end = None if way.rows is None else _place(self.part, self.key, way.rows)
        found = _down_to(rows.values_list(*self.taken), self.key, end, self.most)
        return found, end is None or len(found) >= self.most


def first_matches(
    part: Part, *, wanted: Wanted, key: str, most: int, estimates: Estimates, columns: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """`key`, id and `columns` of the first `most` rows that have what is wanted, in falling order of key and id."""
    taken = (key, "pk", *columns)
    if not wanted.conditions:
        return _unnarrowed(part, key, most, taken)
    if part.whole and wanted.in_order and key == NEWEST:
        ordered = part.rows.order_by(F(key).desc(), F("pk").desc())
        return _down_to(ordered.filter(wanted.in_order).values_list(*taken), key, None, most)
    expected = _Expected(part, wanted, estimates)
    sought = _Sought(part, wanted, expected, key, most, taken)
    way = expected.best(most)
    if (led := _led(sought, way.cost)) is not None:
        return led
    found, enough = sought.rows(way)
    return found if enough or way.rows is None else _corrected(sought, way.rows, len(found))


def _corrected(sought: _Sought, rows: int, met: int) -> list[tuple[Any, ...]]:
    """The first matches, by the way that costs least now that it is known how many the first rows held."""
    expected = sought.expected
    gather = expected.look_up()
    ways = [gather, expected.walk()]
    if met:
        needed = int(SPARE * rows * sought.most / met)
        ways += [expected.walk(needed), expected.look_up(needed)]
    best = min(ways, key=lambda way: way.cost)
    if (led := _led(sought, best.cost)) is not None:
        return led
    found, enough = sought.rows(best)
    return found if enough else sought.rows(gather)[0]


def _led(sought: _Sought, limit: float) -> list[tuple[Any, ...]] | None:
    """The first matches along the index of one choice; None where that is longer than `limit`.

    What went out of fashion is rare among the newest, and yet frequent among its own.
    """
    wanted, part, expected = sought.wanted, sought.part, sought.expected
    places = [n for n in range(len(wanted.conditions)) if wanted.leading(n)] if part.whole else []
    if sought.key != NEWEST or not places or len(wanted.conditions) == 1:
        return None
    cost, place = min((expected.led(place, sought.most), place) for place in places)
    if cost > min(limit, LED):
        return None
    stretch = replace(sought, part=part.filter(wanted.leading(place)))
    reach = int(min(max(cost, SHORT_WALK), LED))
    while reach <= LED:
        found, enough = stretch.rows(expected.walk(reach))
        if enough:
            return found
        if not found:
            break
        reach = max(2 * reach, int(SPARE * reach * sought.most / len(found)))
    return None


@dataclass(frozen=True, eq=False)
class Question:
    """The first `most` that have what is wanted, in falling order of `key` and id."""

    wanted: Wanted
    key: str
    most: int


def gathered_once(
    part: Part, *, words: Wanted, questions: list[Question], estimates: Estimates, columns: tuple[str, ...]
) -> list[list[tuple[Any, ...]] | None]:
    """The answers to questions that have these words in common, from one look at what has the words.

    None stands for what that would take longer for, or did not reach far enough for.
    """
    unknown: list[list[tuple[Any, ...]] | None] = [None for _ in questions]
    newest = [one for one in questions if one.key == NEWEST]
    if not words.conditions or not part.whole or len(questions) < 2:
        return unknown
    expected, apart = _Expected(part, words, estimates), [_Expected(part, one.wanted, estimates) for one in questions]
    costs = {one: other.best(one.most).cost for one, other in zip(questions, apart, strict=True)}
    saved = {expected.together(None): sum(costs.values())}
    if len(newest) > 1:
        rows = max(other.likely(one.most) for one, other in zip(questions, apart, strict=True) if one.key == NEWEST)
        saved[expected.together(rows)] = sum(costs[one] for one in newest)
    way = max(saved, key=lambda way: saved[way] - way.cost)
    if saved[way] <= way.cost:
        return unknown
    asked = questions if way.rows is None else newest
    answers = dict(zip(asked, _together(part, words, way, asked, columns), strict=True))
    return [answers.get(one) for one in questions]


def _together(
    part: Part, words: Wanted, way: _Way, questions: list[Question], columns: tuple[str, ...]
) -> list[list[tuple[Any, ...]] | None]:
    """The answers by one way, None where it did not reach far enough."""
    asked = {f"asked{n}": _asked(one.wanted) for n, one in enumerate(questions)}
    keys = list(dict.fromkeys(("pk", *columns, *(one.key for one in questions))))
    end = None if way.rows is None else _place(part, NEWEST, way.rows)
    rows = part.rows if end is None else part.rows.filter(not_behind(NEWEST, end))
    rows = rows.filter(words.worded(way.indexed)).annotate(**asked).values(*keys, *asked)
    answers: list[list[tuple[Any, ...]] | None] = []
    for one, found in zip(questions, _asked_of(rows, keys, questions), strict=True):
        taken = [(row[one.key], row["pk"], *(row[column] for column in columns)) for row in found]
        enough = end is None or len(taken) >= one.most
        answers.append(sorted(taken, key=_rank, reverse=True) if enough else None)
    return answers


def _asked(wanted: Wanted) -> Any:
    """Whether a row with the words has the choices too."""
    choices = Q(*(one.checked for one in wanted.conditions if not one.word))
    return ExpressionWrapper(choices, BooleanField()) if choices else Value(True)


def _rank(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:2]


def _asked_of(rows: Any, columns: list[str], questions: list[Question]) -> list[list[dict[str, Any]]]:
    """The first of the rows for each question, with these columns; the rows are looked for once."""
    name, (gathered, values) = connection.ops.quote_name, rows.query.sql_with_params()
    taken = ", ".join(name(column) for column in columns)
    answers = " UNION ALL ".join(
        f"(SELECT {number}, {taken} FROM gathered WHERE {name(f'asked{number}')}"
        f" ORDER BY {name(one.key)} DESC, pk DESC LIMIT {one.most})"
        for number, one in enumerate(questions)
    )
    found: list[list[dict[str, Any]]] = [[] for _ in questions]
    with connection.cursor() as cursor:
        cursor.execute(f"WITH gathered AS MATERIALIZED ({gathered}) {answers}", values)
        for number, *row in cursor.fetchall():
            found[number].append(dict(zip(columns, row, strict=True)))
    return found


def _unnarrowed(part: Part, key: str, most: int, taken: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The first rows of the part; a part that is checked for who may see it has its end found on the outline."""
    rows = part.rows.order_by(F(key).desc(), F("pk").desc()).values_list(*taken)
    if not part.whole:
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
