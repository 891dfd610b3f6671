"""Ordinary English words, as opposed to names: a name made of these alone needs more than its letters to be meant.

The words are the lemma table that lemminflect carries (MIT; after the SPECIALIST Lexicon of the US National Library of
Medicine): 80,000 nouns, verbs, adjectives and their forms, without proper names. Function words are added here.
"""

import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

FUNCTION_WORDS = frozenset(
    "a an the and or but nor of in on at by to from for with without as is are was were be it its he she they we you i "
    "his her their our your my me him them us this that these those no not so if than then there here who what when "
    "where why how which whose all any each every some into over under out up down off near about st mr mrs ms dr "
    "sir".split()
)


@lru_cache(maxsize=1)
def ordinary_words() -> frozenset[str]:
    """All ordinary words in small letters; raises RuntimeError where the package's table is not there."""
    spec = find_spec("lemminflect")
    if spec is None or spec.origin is None:
        raise RuntimeError("The list of ordinary words is missing: install lemminflect (see requirements.txt).")
    table = Path(spec.origin).parent / "resources" / "lemma_lu.csv.gz"
    with gzip.open(table, "rt", encoding="utf-8") as lines:
        found = (line.partition(",")[0] for line in lines)
        words = frozenset(word for word in found if word.islower())  # capitals are names and abbreviations
    if len(words) < 50_000:
        raise RuntimeError(f"The list of ordinary words has only {len(words)} entries: reinstall lemminflect.")
    return words | FUNCTION_WORDS


def is_ordinary(word: str) -> bool:
    """Whether it is an ordinary word, itself or as a plain plural."""
    word = word.lower()
    return word in ordinary_words() or (len(word) > 3 and word.removesuffix("s") in ordinary_words())
