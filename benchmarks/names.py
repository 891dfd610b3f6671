"""How long it takes to find registered names in tags: `python -m benchmarks.names`.

A register of made-up names, most of them of two words and some mononyms, is searched in tags of ordinary English words,
as the metadata of an adapter lists them, with some of the names among them, half of them disguised. All must be found;
what is found elsewhere is counted as false.
"""

from __future__ import annotations

import argparse
import random
import resource
from collections.abc import Callable
from statistics import median
from time import perf_counter

from moderation.matching.names import Name, NameIndex
from moderation.matching.ordinary import is_ordinary, ordinary_words
from moderation.matching.terms import find_terms

LIMIT = 1.0  # seconds for a megabyte of tags
SYLLABLES = (
    "ka ri to mi sa no el an or ta ve lu shi mo ra ne ki du ha lo fe zu pi ga te ro mu si bo wa ber der man son ov ski "
    "stein wood ley ton"
).split()
DISGUISE = str.maketrans("aeiost", "4310$7")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--megabytes", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    dice = random.Random(3)
    register = [_name(number, dice) for number in range(options.names)]
    text, places = _tags(register, int(options.megabytes * 1e6), dice)
    before = _memory()
    start = perf_counter()
    index = NameIndex.build(register)
    print(f"index of {len(register):,} names: {perf_counter() - start:.1f} s, {_memory() - before:.0f} MB")
    times = [_timed(lambda: index.find(text)) for _ in range(options.repeat)]
    found = index.find(text)
    missed = sum(not any(match.entry_id == entry and match.start == at for match in found) for at, entry in places)
    planted = {at for at, _ in places}
    false = [match for match in found if not any(at <= match.start < at + 60 for at in planted)]
    print(f"{len(text) / 1e6:.1f} MB of tags: median {median(times):.2f} s (target {LIMIT:.0f} s)")
    print(
        f"  {len(places)} names planted: {missed} missed; {len(false)} found elsewhere",
        *sorted({m.found for m in false}),
    )
    terms = median(_timed(lambda: find_terms(text)) for _ in range(3))
    print(f"youth-related and sexual terms in the same text: {terms:.2f} s")
    met = median(times) <= LIMIT * max(1.0, options.megabytes) and not missed
    print(f"\ntarget: {'met' if met else 'missed'}")
    return 0 if met else 1


def _name(number: int, dice: random.Random) -> Name:
    def word(least: int, most: int) -> str:
        while is_ordinary(made := "".join(dice.choices(SYLLABLES, k=dice.randint(least, most)))):
            pass
        return made.capitalize()

    return (
        Name(number, word(3, 4), mononym=True) if dice.random() < 0.07 else Name(number, f"{word(2, 3)} {word(2, 4)}")
    )


def _tags(register: list[Name], size: int, dice: random.Random) -> tuple[str, list[tuple[int, int]]]:
    """Tags joined by commas, and (place, entry) of every name among them."""
    words = sorted(ordinary_words())
    tags: list[str] = []
    places = []
    at = 0
    while at < size:
        tag = "_".join(dice.choices(words, k=dice.randint(1, 3)))
        if dice.random() < 0.002:
            name = dice.choice(register)
            tag = name.text.lower().replace(" ", dice.choice(["_", " ", "-", ""]))
            tag = tag.translate(DISGUISE) if dice.random() < 0.5 and len(tag) > 8 else tag
            if 3 * sum(map(str.isalpha, tag)) >= len(tag):
                places.append((at, name.entry_id))
        tags.append(tag)
        at += len(tag) + 2
    return ", ".join(tags), places


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
