"""How well registered pictures are found again, how seldom others are, and how fast: `python -m benchmarks.pictures`.

Pictures are drawn by formula (`benchmarks.drawn`), and taken from installed packages that ship some (scikit-image,
scikit-learn, matplotlib, mahotas); `--pictures FOLDER` adds others, of which no two should be versions of one another.
The register holds them and as many drawn pictures that nobody asks about. Each is asked about in every alteration;
*found* is what the register's candidates contain, *matched* what verification then confirms: the recall that counts.
Beside it, what a list entry without picture would give: the whole picture's hash alone, at the default thresholds.
A work with fewer than 60 features counts as plain and is reported apart, since only hashes and outlines speak for it.
Strangers are pictures that are not registered, altered likewise: each match is a false positive. They are a part of
their own, `benchmarks.strangers`, which goes on counting where it stopped.
The search runs over synthetic hashes (five near ones a work, one in a hundred in crowds of a thousand), and for heavy
crops of some works over features like those of the works, both mapped from disk. Milliseconds are CPU time of one
thread, for searches wall time.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from PIL import Image

from benchmarks import drawn, strangers
from benchmarks.altered import CHANGES, written
from benchmarks.strangers import bound
from moderation.matching.pictures import (
    DEFAULT,
    Description,
    HashIndex,
    PictureIndex,
    PictureUnusable,
    Query,
    describe,
    distances,
    examine,
    verify,
)
from moderation.matching.pictures.candidates import RADIUS, VOTES
from moderation.matching.pictures.words import FILED, Filing, WordIndex

RECALL, FALSE_RATE, SEARCH_MS, REGISTER_MS, CHECK_MS = 0.98, 1e-4, 50.0, 1000.0, 500.0
PARTS = ["recall", "strangers", "search"]
PLAIN = 60  # features below which a work is plain
PACKAGES = {
    "skimage": "data/*.*",
    "sklearn": "datasets/images/*.jpg",
    "matplotlib": "mpl-data/sample_data/*.*",
    "mahotas": "demos/data/*.*",
}
TWINS = {"motorcycle_right.png", "chessboard_RGB.png"}  # the other half of a stereo pair, another file of one board


@dataclass
class Tally:
    """What became of the queries of one alteration."""

    asked: int = 0
    found: int = 0
    matched: int = 0
    pdq: int = 0
    phash: int = 0
    spent: list[float] = field(default_factory=list)


@dataclass
class Register:
    """Works by owner, their index, and the pictures that are asked about."""

    works: dict[int, Description]
    asked: dict[int, Image.Image]
    index: PictureIndex


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawn", type=int, default=63, help="textured pictures drawn; a third as many plain ones")
    parser.add_argument("--pictures", type=Path, help="a folder with more pictures")
    parser.add_argument("--others", type=int, default=200, help="registered pictures that nobody asks about")
    parser.add_argument("--strangers", type=int, default=3000, help="more queries about unregistered pictures")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of asking about strangers, at most")
    parser.add_argument("--seed", type=int, default=0, help="others that nobody asks about")
    parser.add_argument("--hashes", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    met = []
    if "strangers" in options.parts:
        met.append(strangers.go_on(options.drawn, 5 * options.others, options.strangers, options.minutes))
    if options.parts == ["strangers"]:
        return 0 if all(met) else 1
    register = enrol(options.drawn, options.pictures, options.others, options.seed)
    if "recall" in options.parts:
        met.append(show_recall(register))
    if "search" in options.parts:
        met += [show_search(count, register) for count in options.hashes]
    print(f"\ntargets: {'met' if all(met) else 'missed'}")
    return 0 if all(met) else 1


# Register


def enrol(count: int, folder: Path | None, others: int, seed: int) -> Register:
    """Describe all works; prints what they are and what it cost."""
    asked = dict(enumerate(pictures(count, folder)))
    works, spent = {}, []
    for owner, picture in chain(asked.items(), _unasked(len(asked), others, seed)):
        start = process_time()
        try:
            works[owner] = describe(picture)
        except PictureUnusable as reason:
            print(f"left out: {reason}")
        spent.append(1000 * (process_time() - start))
    sizes = [len(work.to_bytes()) for work in works.values()]
    print(f"{len(works)} works, {others} of which nobody asks about; {max(sizes) / 1000:.1f} kB at most")
    print(
        f"registering: {np.median(spent):.0f} ms, 95 %: {np.quantile(spent, 0.95):.0f} ms (limit {REGISTER_MS:.0f})\n"
    )
    kept = {owner: picture for owner, picture in asked.items() if owner in works}
    return Register(works, kept, PictureIndex.build(works.items()))


def _unasked(first: int, others: int, seed: int) -> Iterator[tuple[int, Image.Image]]:
    """Works that nobody asks about, by owner; every other one bears the caption that captioned strangers bear."""
    for owner in range(first, first + others):
        picture = drawn.textured(seed + 100_000 + owner - first)
        yield owner, written(picture, 0) if owner % 2 else picture


def pictures(count: int, folder: Path | None) -> Iterator[Image.Image]:
    """The pictures that are registered and asked about, at most 1,024 pixels wide and high."""
    yield from (drawn.textured(seed) for seed in range(count))
    yield from (drawn.plain(seed) for seed in range(count // 3))
    files = [path for package, pattern in PACKAGES.items() for path in _shipped(package, pattern)]
    files += sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
    for path in files:
        try:
            picture = Image.open(path).convert("RGB")
        except OSError:  # not a picture
            continue
        if min(picture.size) >= 128 and path.name not in TWINS:
            picture.thumbnail((1024, 1024), reducing_gap=3.0)
            yield picture


def _shipped(package: str, pattern: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []


# Recall


def show_recall(register: Register) -> bool:
    """Ask about every picture in every alteration; whether works with details are matched as often as they should."""
    tallies: dict[tuple[bool, str], Tally] = defaultdict(Tally)
    wrong, pairs = [], 0
    for owner, picture in register.asked.items():
        plain = len(register.works[owner].features) < PLAIN
        for name, change in CHANGES.items():
            tally = tallies[plain, name]
            tally.asked += 1
            copy = change(picture, owner)
            start = process_time()
            query = looked_at(copy)
            found, matched = ask(register, query)
            tally.spent.append(1000 * (process_time() - start))
            tally.found += owner in found
            tally.matched += owner in matched
            alone = hashes_alone(register.works[owner], query)
            tally.pdq, tally.phash = tally.pdq + alone[0], tally.phash + alone[1]
            pairs += len(register.works) - 1
            wrong += [(name, owner, other) for other in matched if other != owner]
    met = _table("works with details", {name: tallies[False, name] for name in CHANGES})
    _table("plain works", {name: tallies[True, name] for name in CHANGES if (True, name) in tallies})
    print(f"other works matched: {len(wrong)} in {pairs} pairs, at most {bound(len(wrong), pairs):.1e} a pair (95 %)")
    for name, owner, other in wrong[:20]:
        print(f"  {name}: {other} for {owner}")
    return met and bound(len(wrong), pairs) <= FALSE_RATE


def looked_at(picture: Image.Image) -> Query | None:
    """The picture examined; None where it is unusable, which counts as not found."""
    try:
        return examine(picture)
    except PictureUnusable:
        return None


def ask(register: Register, query: Query | None) -> tuple[set[int], set[int]]:
    """The candidates for a picture, and those that verification confirms."""
    if query is None:
        return set(), set()
    found = {candidate.owner for candidate in register.index.candidates(query)}
    return found, {owner for owner in found if verify(register.works[owner], query).matched}


def hashes_alone(work: Description, query: Query | None) -> tuple[bool, bool]:
    """Whether the work would be matched if no more than its PDQ, or its pHash, were on a list."""
    if query is None:
        return False, False
    pdq, phash = distances(work.pdqs[:1], query.pdqs).min(), distances(work.phashes[:1], query.phashes).min()
    return bool(pdq <= DEFAULT.pdq), bool(phash <= DEFAULT.phash)


def _table(title: str, tallies: dict[str, Tally]) -> bool:
    print(f"{title:24} {'asked':>6} {'found':>7} {'matched':>8} {'PDQ':>6} {'pHash':>6} {'CPU ms':>7} {'95 %':>6}")
    for name, tally in tallies.items():
        print(
            f"{name:24} {tally.asked:6} {tally.found / tally.asked:7.3f} {tally.matched / tally.asked:8.3f}"
            f" {tally.pdq / tally.asked:6.3f} {tally.phash / tally.asked:6.3f}"
            f" {np.median(tally.spent):7.0f} {np.quantile(tally.spent, 0.95):6.0f}"
        )
    asked = sum(tally.asked for tally in tallies.values())
    matched = sum(tally.matched for tally in tallies.values())
    worst = min(tally.matched / tally.asked for tally in tallies.values())
    spent = float(np.quantile(np.concatenate([tally.spent for tally in tallies.values()]), 0.95))
    print(f"all: {matched / asked:.4f} of {asked}, the worst alteration {worst:.3f}; 95 % within {spent:.0f} ms\n")
    return matched / asked >= RECALL and spent <= CHECK_MS


# Search


def show_search(count: int, register: Register, repeat: int = 200) -> bool:
    """Time one picture's search over so many hashes, and over as many filed features; whether it is fast enough."""
    dice = np.random.default_rng(7)
    hashes = synthetic_hashes(count, dice)
    owners = np.arange(count, dtype=np.int64) // 5
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        HashIndex.build(hashes, owners).save(Path(folder, "hashes"))
        built = perf_counter() - start
        index = HashIndex.load(Path(folder, "hashes"))
        asked = [np.concatenate([_near(hashes, dice), synthetic_hashes(7, dice)]) for _ in range(repeat)]
        spent = _times(lambda number: len(index.search(asked[number], RADIUS)), repeat)
        scan = _times(
            lambda number: [
                np.bitwise_count(index.segments[0].words[:, 0] ^ q) for q in asked[number].view(np.uint64)[:, 0]
            ],
            3,
        )
        words_spent, words_built, words_found = _words_times(count, register, Path(folder, "words"), dice, repeat)
    print(
        f"\n{count:,} hashes, {RADIUS} bits, 8 orientations of one picture: {_spread(spent)}; built in {built:.1f} s;"
    )
    print(f"  comparing with all of them instead: {np.median(scan):.0f} ms")
    print(f"{count:,} filed features, a picture and its mirror: {_spread(words_spent)}; built in {words_built:.1f} s;")
    print(f"  {words_found}")
    return max(float(np.quantile(times, 0.95)) for times in (spent, words_spent)) <= SEARCH_MS


def synthetic_hashes(count: int, dice: np.random.Generator) -> np.ndarray:
    """pHash-like uint8 [count, 8]: the five of a work differ in some bits, one work in a hundred stands in a crowd."""
    base = dice.integers(0, 256, (count // 5 + 1, 8), np.uint8)
    crowds = dice.integers(0, 256, (max(1, count // 100_000), 8), np.uint8)
    crowded = dice.random(len(base)) < 0.01
    base[crowded] = crowds[dice.integers(0, len(crowds), int(crowded.sum()))]
    hashes = np.repeat(base, 5, axis=0)[:count]
    hashes ^= np.bitwise_and.reduce(dice.integers(0, 256, (3, *hashes.shape), np.uint8))  # eight bits of a hash
    hashes[:, 0] |= 128
    return hashes


def _near(hashes: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    bits = np.unpackbits(hashes[dice.integers(0, len(hashes), 1)], axis=1)
    bits[0, dice.choice(64, 5, replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def _words_times(
    count: int, register: Register, folder: Path, dice: np.random.Generator, repeat: int
) -> tuple[list[float], float, str]:
    """Search times, seconds to build, and how many heavy crops of works have their votes among so many features."""
    filings = {owner: Filing.of(work.features.first(FILED)) for owner, work in register.works.items()}
    words, signatures = _alike(count, list(filings.values()), dice)
    owners = [np.full(len(filing.words), owner, np.int64) for owner, filing in filings.items()]
    others = 1 + max(filings) + dice.integers(0, max(1, count // FILED), count)
    start = perf_counter()
    WordIndex.build(
        np.concatenate([words, *(filing.words for filing in filings.values())]),
        np.concatenate([signatures, *(filing.signatures for filing in filings.values())]),
        np.concatenate([others, *owners]),
    ).save(folder)
    built = perf_counter() - start
    index = WordIndex.load(folder)
    asked = {
        owner: examine(CHANGES["crop 20 % each side"](picture, owner))
        for owner, picture in list(register.asked.items())[:30]
        if len(register.works[owner].features) >= PLAIN
    }
    owners_asked = list(asked)

    def search(number: int) -> bool:
        owner = owners_asked[number % len(asked)]
        return any(index.votes(f).get(owner, 0) >= VOTES for f in (asked[owner].features, asked[owner].mirror))

    for query in asked.values():
        query.mirror.levels  # noqa: B018  # worked out beforehand, as it is when verification comes next
    found = sum(search(number) for number in range(len(asked)))
    return _times(search, repeat), built, f"{found} of {len(asked)} heavy crops found among them"


def _alike(count: int, filings: list[Filing], dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Words and signatures of features like those of the works, as crowded where they are, and not the same.

    The same ones again and again would stand under few words, in lists of hundreds. Each is one of theirs with the
    bits of its word that are nearest their threshold drawn again, and sixteen bits of its signature.
    """
    words, signatures, margins = (
        np.concatenate([getattr(filing, name) for filing in filings]) for name in ("words", "signatures", "margins")
    )
    unsure = np.argsort(margins, axis=1)[:, :8].astype(np.uint32)
    chosen = dice.integers(0, len(words), count)
    changed = np.zeros(count, np.uint32)
    for place in range(8):
        changed ^= (np.uint32(1) << unsure[chosen, place]) * dice.integers(0, 2, count, np.uint32)
    other = signatures[chosen]
    for _ in range(16):
        other ^= np.uint64(1) << dice.integers(0, 64, count, np.uint64)
    return words[chosen] ^ changed, other


def _times(work: Callable[[int], object], repeat: int) -> list[float]:
    """Milliseconds of each call, after one that is not counted."""
    work(0)
    spent = []
    for number in range(repeat):
        start = perf_counter()
        work(number)
        spent.append(1000 * (perf_counter() - start))
    return spent


def _spread(spent: list[float]) -> str:
    return f"{np.median(spent):.1f} ms, 95 %: {np.quantile(spent, 0.95):.1f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
