"""Terms for minors and for sexual content in prompts, tags and trigger words; both together are always denied.

Folded like names (see `folding`) and found between boundaries of words, or joined to one another ("nsfwteen"). What the
words collide with harmlessly is listed in `vocabulary.HARMLESS`: a term inside such a phrase does not count. Ages below
18 written as numbers count as youth terms.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation

from moderation.matching.folding import Folded, fold, glyph, is_letter, is_read
from moderation.matching.glyphs import HARD, SYMBOLS
from moderation.matching.vocabulary import AGED_THINGS, HARMLESS, JOINED, NEEDS_ACCENT, SEXUAL, YOUTH

Kind = Literal["youth", "sexual"]
MAX_TEXT = 8_000_000  # characters, as for names
MAX_RUN = 40  # letters of joined terms
SURE = 6  # letters from which look-alike letters (rn for m) are read as a disguise


class TermMatch(NamedTuple):
    """A term found: which sort, the term as listed, and the text as it was written."""

    kind: Kind
    term: str
    found: str


class _Term(NamedTuple):
    kind: Kind
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def inner(self) -> set[int]:
        """The places between its words, in folded letters."""
        return {len(fold("".join(self.words[:count]))) for count in range(1, len(self.words))}


class _Hit(NamedTuple):
    """A term in a folded text, from letter `start` to before `end`."""

    term: _Term
    start: int
    end: int


_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen".split()
)
_AGE = rf"(?:1[0-7]|[1-9]|{'|'.join(_NUMBERS)})"
_OLD = r"(?:years?[\s_-]*olds?|yrs?[\s_-]*olds?|y\.?/?o\.?(?![a-z])|jahre[\s_-]*alt|-?jährige?r?\b)"
_AGED = re.compile(
    rf"(?<![\w.])(?:{_AGE}[\s_-]*{_OLD}|age[ds]?[\s_:=-]*{_AGE}(?![\w.+%]))(?:[\s_-]+(?P<what>\w+))?"
    r"|(?<!\d)(?:1[0-7]|[1-9])\s*(?:[岁歲歳才살]|лет\b|ans\b|años\b|anni\b)"
)


def find_terms(text: str) -> tuple[TermMatch, ...]:
    """Every youth-related and sexual term in the text, each spelling once; raises ValueError for too long a text."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"The text has {len(text):,} characters; at most {MAX_TEXT:,} are searched at once.")
    found = dict.fromkeys(_find(Folded.of(text, symbols=False)))
    if any(symbol in text for symbol in SYMBOLS):
        found.update(dict.fromkeys(_find(Folded.of(text, symbols=True))))
    found.update(dict.fromkeys(_ages(text)))
    return tuple(found)


@lru_cache(maxsize=1)
def _terms() -> dict[str, tuple[_Term, ...]]:
    """Folded letters → the terms written so."""
    terms: dict[str, list[_Term]] = {}
    kinds: tuple[tuple[Kind, dict[str, str]], ...] = (("youth", dict(YOUTH)), ("sexual", dict(SEXUAL)))
    for kind, languages in kinds:
        for word in " ".join(languages.values()).split():
            term = _Term(kind, tuple(word.split("_")))
            for spelling in {word, word.upper()}:
                terms.setdefault(fold(spelling), []).append(term)
    return {letters: tuple(dict.fromkeys(found)) for letters, found in terms.items()}


@lru_cache(maxsize=1)
def _harmless() -> dict[str, tuple[str, ...]]:
    """Folded phrase → the terms that are harmless in it."""
    return {fold(phrase): (term, fold(term)) for term, phrases in HARMLESS.items() for phrase in phrases.split()}


@lru_cache(maxsize=2)
def _automaton(which: Literal["terms", "harmless"]) -> tuple[AhoCorasick, list[str]]:
    letters = list(_terms() if which == "terms" else _harmless())
    return AhoCorasick(letters, implementation=Implementation.ContiguousNFA, store_patterns=False), letters


def _find(folded: Folded) -> Iterator[TermMatch]:
    automaton, letters = _automaton("terms")
    harmless = _harmless_places(folded)
    for number, start, end in automaton.find_matches_as_indexes(folded.letters, overlapping=True):
        if not _apart(folded, start, end):
            continue
        begin, stop = folded.span(start, end)
        for term in _terms()[letters[number]]:
            found = folded.text[begin:stop]
            if (term.text, start) not in harmless and _written(folded, _Hit(term, start, end), found):
                yield TermMatch(term.kind, term.text, found)


def _harmless_places(folded: Folded) -> set[tuple[str, int]]:
    """(term, first letter) for every term inside a harmless phrase."""
    automaton, letters = _automaton("harmless")
    places = set()
    for number, start, end in automaton.find_matches_as_indexes(folded.letters, overlapping=True):
        if (
            folded.starts[start]
            and folded.ends[end]
            and not HARD.intersection(folded.text[slice(*folded.span(start, end))])
        ):
            term, short = _harmless()[letters[number]]
            places.add((term, start + letters[number].index(short)))
    return places


def _written(folded: Folded, hit: _Hit, found: str) -> bool:
    """Whether the letters are the term: separators only where they may be, and no other word that looks like it."""
    cuts = {place - hit.start for place in range(hit.start + 1, hit.end) if folded.strong[place]}
    whole = "".join(hit.term.words)
    spaced = len(cuts) >= len(whole) - 1
    if not (spaced or cuts <= hit.term.inner) or (HARD | {"\n"}).intersection(found):
        return False
    if whole in NEEDS_ACCENT and "ñ" not in unicodedata.normalize("NFC", found).casefold():
        return False
    letters = [char for char in found if is_read(char)]
    if 3 * sum(map(is_letter, letters)) < len(letters) and not any(map(str.isdigit, whole)):
        return False
    return len(fold(whole)) >= SURE or _same_letters(letters, whole)


def _same_letters(letters: list[str], word: str) -> bool:
    """Whether every plain Latin letter is the word's own; others only have to look alike. "pom" is not "porn"."""
    at = 0
    for char in letters:
        if char.isascii() and char.isalpha():
            if word[at : at + 1] != char.lower():
                return False
            at += 1
            continue
        size = next((n for n in range(1, 4) if fold(word[at : at + n]) == glyph(char).letters), 0)
        if not size:
            return False
        at += size
    return at == len(word)


def _apart(folded: Folded, start: int, end: int) -> bool:
    """Whether it stands between boundaries, or joined to nothing but other terms and affixes."""
    first, last = start, end
    while first > 0 and not folded.starts[first] and start - first <= MAX_RUN:
        first -= 1
    while last < len(folded) and not folded.ends[last] and last - end <= MAX_RUN:
        last += 1
    return _only_terms(folded.letters[first:start]) and _only_terms(folded.letters[end:last])


@lru_cache(maxsize=1)
def _joinable() -> frozenset[str]:
    return frozenset(letters for letters in _terms() if len(letters) >= 3) | frozenset(map(fold, JOINED))


@lru_cache(maxsize=4096)
def _only_terms(letters: str) -> bool:
    ends = {0}
    for end in range(1, len(letters) + 1):
        if any(letters[start:end] in _joinable() for start in ends):
            ends.add(end)
    return len(letters) in ends


def _ages(text: str) -> Iterator[TermMatch]:
    """Ages below 18, as "12 years old", "12yo", "aged 12", "twelve-year-old", "12歳"."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    for match in _AGED.finditer(plain):
        if match["what"] not in AGED_THINGS:
            yield TermMatch("youth", "age below 18", match[0])
