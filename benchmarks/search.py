"""How long browsing and searching take in the database: `python -m benchmarks.search --adapters 1000000`.

A database of its own is made on the server of DATABASE_URL, or on the embedded one, filled with synthetic adapters
(see `benchmarks.synthetic`) and dropped at the end; with `--keep` it stays, and the next run with `--keep` and the
same number of adapters uses it again. The load needs a superuser; a million adapters take about 4 GB and some minutes.

Each case is one answer of the browse page as somebody would ask for it: the page of adapters and, unless it is a
further page, the facets beside it. Its time is the median of `--repeat` runs; the table has the percentiles over the
cases. "db" is the time of all its queries in the database with the way there and back, "all" is everything until the
objects are there, without the template. "first" is the 95th percentile over the first run of every case.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from benchmarks import synthetic

LIMIT = 50.0  # milliseconds in the database, 95th percentile, over a page with its facets
NARROWING = ("family", "kind", "use", "tag", "level", "creator")


@dataclass(frozen=True)
class Case:
    """One question: what is looked for, and whether the answer comes with facets."""

    group: str
    query: Any
    facets: bool = True


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one answer."""

    database: float
    whole: float


def main() -> int:
    options = _options()
    with synthetic.server_url() as server:
        # A database that is to be dropped belongs to this run alone.
        name = f"{synthetic.DATABASE}_{options.adapters}{'' if options.keep else f'_{os.getpid()}'}"
        url = synthetic.url_of(server, name)
        _django(url)
        fresh = not (options.keep and synthetic.exists(server, name))
        try:
            if fresh:
                _load(server, name, url, options.adapters)
            return _measure(options)
        finally:
            if not options.keep:
                synthetic.drop(server, name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, default=100_000)
    parser.add_argument("--cases", type=int, default=40, help="questions of each sort")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the database for the next run")
    parser.add_argument("--slow", type=int, default=0, help="also list this many of the slowest questions")
    return parser.parse_args()


def _django(url: str) -> None:
    os.environ["DATABASE_URL"] = url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    os.environ.setdefault("SECRET_KEY", "of-a-benchmark-that-signs-nothing")
    import django

    django.setup()


def _load(server: str, name: str, url: str, adapters: int) -> None:
    from django.core.management import call_command

    start = perf_counter()
    synthetic.create(server, name)
    try:
        call_command("migrate", verbosity=0)
        call_command("load_catalogue", stdout=StringIO())
        synthetic.fill(url, adapters)
    except BaseException:
        synthetic.drop(server, name)  # the next run must not take a half of it for the whole
        raise
    print(f"loaded {adapters:,} adapters in {perf_counter() - start:.0f} s ({synthetic.size(url) / 1e9:.1f} GB)\n")


def _measure(options: argparse.Namespace) -> int:
    from django.db import connection

    connection.ensure_connection()
    rows: dict[tuple[str, str], list[list[Timing]]] = defaultdict(list)
    slowest: list[tuple[float, str, Case]] = []
    for who, actor in _actors():
        asked = list(_cases(random.Random(options.seed), options.cases, actor))
        runs: list[list[Timing]] = [[] for _ in asked]
        for _ in range(options.repeat):
            for case, timings in zip(asked, runs, strict=True):
                timings.append(_time(actor, case))
        for case, timings in zip(asked, runs, strict=True):
            rows[who, case.group].append(timings)
            slowest.append((median(t.database for t in timings), who, case))
    worst = _print(rows)
    for took, who, case in sorted(slowest, key=lambda item: -item[0])[: options.slow]:
        print(f"{took:7.1f} ms  {who}: {case}")
    return 0 if worst <= LIMIT else 1


def _actors() -> list[tuple[str, Any]]:
    """A stranger, a person without organisations, and members of large organisations in two roles."""
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    users = {"member": 2, "maintainer": 1, "newcomer": User.objects.order_by("-pk").values_list("pk", flat=True)[0]}
    return [("stranger", AnonymousUser()), *((who, User.objects.get(pk=pk)) for who, pk in users.items())]


def _time(actor: Any, case: Case) -> Timing:
    from django.db import connection

    from registry.selectors.search import adapter_browse, adapter_search

    spent = 0.0

    def stopwatch(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal spent
        start = perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent += perf_counter() - start

    start = perf_counter()
    with connection.execute_wrapper(stopwatch):
        (adapter_browse if case.facets else adapter_search)(actor=actor, query=case.query)
    return Timing(1000 * spent, 1000 * (perf_counter() - start))


def _cases(dice: random.Random, number: int, actor: Any) -> Iterator[Case]:
    """`number` questions of each sort; the sorts in the shares in which the page offers them."""
    from registry.selectors.search import AdapterQuery

    sorts = ("newest", "newest", "downloads", "rating")
    choices = _choices(dice)
    words = synthetic.vocabulary()
    makers: dict[str, Callable[[], AdapterQuery]] = {
        "everything": lambda: AdapterQuery(),
        "one filter": lambda: AdapterQuery(**_filters(dice, choices, 1)),
        "two filters": lambda: AdapterQuery(**_filters(dice, choices, 2)),
        "common word": lambda: AdapterQuery(text=words[_between(dice, 15, 150)]),
        "other word": lambda: AdapterQuery(text=words[_between(dice, 150, 20_000)]),
        "prefix": lambda: AdapterQuery(text=words[_between(dice, 15, 20_000)][: dice.choice((2, 3, 3, 4))]),
        "two words": lambda: AdapterQuery(text=" ".join(words[_between(dice, 15, 5000)] for _ in "12")),
        "word and filter": lambda: AdapterQuery(text=words[_between(dice, 15, 5000)], **_filters(dice, choices, 1)),
    }
    for group, make in makers.items():
        for _ in range(number):
            query = make()
            sort = dice.choice(("relevance", "relevance", "newest", "downloads") if query.text else sorts)
            yield Case(group, replace(query, sort=sort))
            if group in {"everything", "one filter", "common word"}:
                yield from _further(dice, actor, replace(query, sort=sort))


def _further(dice: random.Random, actor: Any, query: Any) -> Iterator[Case]:
    """A page far behind the first: up to a few dozen clicks, or anywhere when nothing narrows."""
    from registry.models import Adapter
    from registry.selectors.search import ORDERS, adapter_search, cursor_at

    if query.sort != "relevance" and not any(getattr(query, name) for name in ("text", *NARROWING)):
        key = ORDERS[query.sort]
        pk = dice.randrange(1, Adapter.objects.order_by("-pk").values_list("pk", flat=True)[0])
        last = Adapter.objects.filter(listed=True, pk__lte=pk).order_by("-pk").first()
        yield Case(
            "further page", replace(query, cursor=cursor_at(query.sort, (getattr(last, key), last.pk))), facets=False
        )
        return
    for _ in range(dice.choice((1, 3, 9))):
        query = replace(query, cursor=adapter_search(actor=actor, query=replace(query, limit=100)).next_cursor)
        if not query.cursor:
            return
    yield Case("further page", query, facets=False)


def _between(dice: random.Random, first: int, last: int) -> int:
    """A place from `first` to `last`, each order of magnitude as often."""
    return min(int(first * (last / first) ** dice.random()), last - 1)


def _choices(dice: random.Random) -> dict[str, list[str]]:
    """What each filter is set to: as people click, so by how many adapters have it, but rare ones too."""
    from registry.models import Adapter

    last = Adapter.objects.order_by("-pk").values_list("pk", flat=True)[0]
    drawn = dice.sample(range(1, last), min(3000, last // 4))
    sample = list(Adapter.objects.filter(listed=True, pk__in=drawn).select_related("owner"))
    tags = [tag for adapter in sample for tag in adapter.tag_names]
    return {
        "family": [adapter.family for adapter in sample],
        "kind": [adapter.kind for adapter in sample] + list(synthetic.KINDS) * 50,
        "use": [use for adapter in sample for use in adapter.permitted_uses],
        "tag": tags + sorted(set(tags)) * 2,
        "level": [adapter.content_level for adapter in sample],
        "creator": [adapter.owner.slug for adapter in sample],
    }


def _filters(dice: random.Random, choices: dict[str, list[str]], number: int) -> dict[str, str]:
    return {name: dice.choice(choices[name]) for name in dice.sample(NARROWING, number)}


def _print(rows: dict[tuple[str, str], list[list[Timing]]]) -> float:
    """The table; answers the largest 95th percentile over all questions of one actor."""
    print(
        f"{'who':11} {'asks for':16} {'cases':>5} {'db p50':>8} {'db p95':>8} {'db max':>8} {'first':>8}"
        f" {'all p50':>8} {'all p95':>8}  milliseconds; limit {LIMIT:.0f} for db p95"
    )
    worst = 0.0
    for who in dict.fromkeys(who for who, _ in rows):
        mine = {group: cases for (name, group), cases in rows.items() if name == who}
        for group, cases in mine.items():
            _line(who, group, cases)
        worst = max(worst, _line(who, "ALL", [case for cases in mine.values() for case in cases]))
    return worst


def _line(who: str, group: str, cases: list[list[Timing]]) -> float:
    database = [median(t.database for t in case) for case in cases]
    whole = [median(t.whole for t in case) for case in cases]
    first = [case[0].database for case in cases]
    p95 = _percentile(database, 95)
    mark = ("met" if p95 <= LIMIT else "missed") if group == "ALL" else ""
    print(
        f"{who:11} {group:16} {len(cases):5} {median(database):8.1f} {p95:8.1f} {max(database):8.1f}"
        f" {_percentile(first, 95):8.1f} {median(whole):8.1f} {_percentile(whole, 95):8.1f}  {mark}".rstrip()
    )
    return p95


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    raise SystemExit(main())
