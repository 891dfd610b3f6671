"""How often a picture that nobody registered is taken for one that is: `python -m benchmarks.strangers --minutes 60`.

To show a rate of 1e-4 by picture takes thirty thousand pictures without a false match, and more with one. So the count
goes on from run to run: each run asks about pictures that no earlier one asked about, and adds to one file under
DATA_DIR/strangers for each set of rules. The rules are the digest of all that decides (the matching code, how pictures
are drawn and altered, what is registered): figures of different rules are never added up.

Two queries in a row are about one drawn picture in two alterations; one in eight is plain. A query is held against the
whole register, and counts once however many works it matches. Half of the registered works that nobody asks about bear
the caption that captioned strangers bear. A run may be killed at any time: what was counted stands in the file, and at
most the last hundred queries are asked again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from PIL import Image
from scipy.stats import beta

import moderation.matching.pictures as matching
from benchmarks import altered, drawn
from config.environment import data_dir
from moderation.matching.pictures import Description, PictureIndex, PictureUnusable, describe, examine, verify

FALSE_RATE = 1e-4
KEPT_EVERY = 100  # queries
UNDECIDING = {"traces.py"}  # what is kept of pictures for works that come later; it is no part of a comparison
DESCRIBING = {"description.py", "hashes.py", "keypoints.py", "overlay.py", "raster.py", "views.py"}


@dataclass
class Count:
    """What came of the strangers so far. `matches`: number of the query, its alteration, the work that it matched."""

    rules: str
    works: int
    asked: int = 0
    unusable: int = 0  # of one tone, or too small once altered: compared with nothing, and no query
    candidates: int = 0
    seconds: float = 0.0  # of CPU
    matches: list[tuple[int, str, int]] = field(default_factory=list)

    @property
    def queries(self) -> int:
        return self.asked - self.unusable

    @property
    def strange(self) -> int:
        """Queries that matched anything."""
        return len({number for number, _, _ in self.matches})

    @property
    def bound(self) -> float:
        return bound(self.strange, self.queries)


@dataclass(frozen=True)
class Enrolled:
    """What the strangers are held against."""

    works: dict[int, Description]
    index: PictureIndex


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of asking in this run, at most")
    parser.add_argument("--queries", type=int, default=40_000, help="more queries in this run, at most")
    parser.add_argument("--drawn", type=int, default=63, help="textured works drawn; a third as many plain ones")
    parser.add_argument("--others", type=int, default=1000, help="further works, half of them with a caption")
    parser.add_argument("--report", action="store_true", help="say what was counted so far, and ask nothing")
    options = parser.parse_args()
    return 0 if go_on(options.drawn, options.others, 0 if options.report else options.queries, options.minutes) else 1


def go_on(textured: int, others: int, queries: int, minutes: float = float("inf")) -> bool:
    """Ask about so many more strangers; whether the target is shown by all that were asked about until now."""
    folder = data_dir() / "strangers"
    folder.mkdir(parents=True, exist_ok=True)
    rules = rules_of(textured, others)
    path = folder / f"{rules}.json"
    with (folder / f"{rules}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        count = _read(path, rules)
        if queries:
            described = rules_of(textured, others, DESCRIBING)
            enrolled = enrol(folder / f"register-{described}.npz", textured, others)
            count.works = len(enrolled.works)
            print(f"{count.works:,} works; going on behind stranger {count.asked:,}", flush=True)
            _ask_about(count, enrolled, queries, minutes, path)
    _report(count)
    return count.bound <= FALSE_RATE


# Rules and register


def rules_of(textured: int, others: int, names: Collection[str] = ()) -> str:
    """The digest of what decides about a stranger: the code that compares, the pictures, how many are registered.

    `names`: of these files of the matching code alone.
    """
    folder = Path(matching.__file__).parent
    files = [path for path in sorted(folder.glob("*.py")) if path.name not in UNDECIDING]
    files = [path for path in files if not names or path.name in names]
    files += [Path(altered.__file__), Path(drawn.__file__)]
    told = "".join(f"{path.name} {sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return sha256(f"{told}{textured} {others} {_sources()}".encode()).hexdigest()[:16]


def _sources() -> str:
    """This file's part in it: which pictures are registered and asked about."""
    import inspect

    return "".join(inspect.getsource(part) for part in (_registered, strangers))


def _registered(textured: int, others: int) -> Iterator[Image.Image]:
    yield from (drawn.textured(seed) for seed in range(textured))
    yield from (drawn.plain(seed) for seed in range(textured // 3))
    for place in range(others):
        picture = drawn.textured(100_000 + place)
        yield altered.written(picture, 0) if place % 2 else picture


def strangers(first: int) -> Iterator[tuple[int, str, Image.Image]]:
    """From a number on: strangers with their numbers and alterations, at most 400 pixels wide and high before these."""

    @lru_cache(maxsize=1)
    def original(place: int) -> Image.Image:
        picture = (drawn.plain if place % 8 == 7 else drawn.textured)(5_000_000 + place)
        picture.thumbnail((400, 400))
        return picture

    names, number = list(altered.CHANGES), first
    while True:
        name = names[number % len(names)]
        yield number, name, altered.CHANGES[name](original(number // 2), 0)
        number += 1


def enrol(path: Path, textured: int, others: int) -> Enrolled:
    """The register as an earlier run described it, or described now."""
    if not path.exists():
        described = [work.to_bytes() for work in _described(_registered(textured, others))]
        partial = path.with_suffix(".partial.npz")
        lengths = np.array([len(work) for work in described])
        np.savez(partial, stored=np.frombuffer(b"".join(described), np.uint8), lengths=lengths)
        partial.replace(path)
    with np.load(path) as kept:
        pieces = np.split(kept["stored"], np.cumsum(kept["lengths"])[:-1])
    works = {owner: Description.from_bytes(piece.tobytes()) for owner, piece in enumerate(pieces)}
    return Enrolled(works, PictureIndex.build(works.items()))


def _described(pictures: Iterable[Image.Image]) -> Iterator[Description]:
    for picture in pictures:
        try:
            yield describe(picture)
        except PictureUnusable as reason:
            print(f"left out: {reason}")


# Asking


def _ask_about(count: Count, enrolled: Enrolled, queries: int, minutes: float, path: Path) -> None:
    start, used, until = perf_counter(), process_time(), count.asked + queries
    for number, name, picture in strangers(count.asked):
        if number >= until or perf_counter() - start >= 60 * minutes:
            break
        _ask(count, enrolled, number, name, picture)
        if count.asked % KEPT_EVERY == 0:
            count.seconds, used = count.seconds + process_time() - used, process_time()
            _keep(path, count)
        if count.asked % 1000 == 0:
            print(f"  {count.queries:,} asked about, {count.strange} matched", flush=True)
    count.seconds += process_time() - used
    _keep(path, count)


def _ask(count: Count, enrolled: Enrolled, number: int, name: str, picture: Image.Image) -> None:
    count.asked = number + 1
    try:
        query = examine(picture)
    except PictureUnusable:
        count.unusable += 1
        return
    candidates = enrolled.index.candidates(query)
    count.candidates += len(candidates)
    for candidate in candidates:
        verdict = verify(enrolled.works[candidate.owner], query)
        if verdict.matched:
            count.matches.append((number, name, candidate.owner))
            print(f"  stranger {number}, {name}: work {candidate.owner} by {verdict.evidence.value}", flush=True)


def _read(path: Path, rules: str) -> Count:
    if not path.exists():
        return Count(rules, 0)
    kept = json.loads(path.read_text())
    return Count(
        **{**kept, "matches": [(int(number), str(name), int(owner)) for number, name, owner in kept["matches"]]}
    )


def _keep(path: Path, count: Count) -> None:
    """Whole or not at all: a run that is killed here leaves what was there."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(count)))
    partial.replace(path)


# Figures


def _report(count: Count) -> None:
    if not count.queries:
        print(f"rules {count.rules}: nothing asked yet")
        return
    pairs, each = count.queries * count.works, 1000 * count.seconds / count.asked
    print(
        f"\nrules {count.rules}, {count.works:,} works: {count.strange} of {count.queries:,} strangers matched a work,"
    )
    print(
        f"  {count.strange / count.queries:.1e}, at most {count.bound:.1e} (95 %); target {FALSE_RATE:.0e} by picture"
    )
    print(
        f"  {len(count.matches)} of {pairs:,} pairs; {count.candidates / count.queries:.1f} candidates verified a query"
    )
    print(f"  {each:.0f} ms of CPU a query; {count.unusable} pictures had nothing to compare")
    if count.bound > FALSE_RATE:
        print(f"  shown with no further match after {_needed(count.strange) - count.queries:,} more")


def bound(events: int, trials: int) -> float:
    """Upper end of the one-sided 95 % interval of Clopper and Pearson."""
    return float(beta.ppf(0.95, events + 1, trials - events)) if trials > events else 1.0


def _needed(events: int) -> int:
    """The fewest queries whose bound is the target, with so many matches among them."""
    reached: Callable[[int], bool] = lambda trials: bound(events, trials) <= FALSE_RATE  # noqa: E731
    low, high = 1, 1 << 20
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


if __name__ == "__main__":
    raise SystemExit(main())
