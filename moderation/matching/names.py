"""Finding registered names in titles, trigger words, tags and prompts, however they are written.

When a name is found:

- Its letters stand there, folded as `folding` says, between boundaries of words; in order, or with one of its words
  moved to the other end ("rutkowski, greg"). Separators between its words may be anything or missing; a comma only in
  the moved order, since it ends a tag. Affixes of trigger words ("bygregrutkowskistyle") do not count as letters.
- Separators inside its words are allowed where they stand between all letters ("g r e g"), and, in names of at least
  `LONG` letters, where they are no spaces ("rut-kowski").
- Disguises (digits, symbols, look-alikes) need at least a third true letters, and a name of `SHORT` letters or more.
- **Ambiguous names.** A single word counts only where the register marks it as a mononym. A name of nothing but
  ordinary English words ("Will Smith") has to be capitalised, disguised, a tag of its own, or introduced ("by",
  "portrait of"). An ordinary word as a mononym ("Rose"), or one of three letters, has to be introduced as an author
  ("by rose", "style of rose"). Letters that spell ordinary words are no disguise ("sunflower" for "Sun Flower").
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation

from moderation.matching.folding import Folded, Script, glyph, is_letter, is_read
from moderation.matching.glyphs import HARD, SYMBOLS, is_invisible
from moderation.matching.names_context import is_introduced, is_own_tag, only_affixes
from moderation.matching.ordinary import is_ordinary

SHORT, LONG = 6, 10  # letters
LEAST = 3  # letters of a mononym; two characters of a script without spaces
MAX_GAP = 4  # characters between two words of a name
MAX_WORDS = 6
MAX_TEXT = 8_000_000  # characters; the metadata of a file has at most as many


class Name(NamedTuple):
    """An entry of the register: a name or alias, and whether its one word alone means the person."""

    entry_id: int
    text: str
    mononym: bool = False


class NameMatch(NamedTuple):
    """A registered name found: text[start:end] is `found`; `exact` if only case, accents and separators differ."""

    entry_id: int
    name: str
    found: str
    start: int
    end: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One way to write a name: its folded words in an order."""

    name: Name
    words: tuple[str, ...]
    moved: bool
    ordinary: bool
    dense: bool
    """Written in a script without spaces."""

    @property
    def length(self) -> int:
        return sum(map(len, self.words))

    @property
    def inner(self) -> set[int]:
        """The places between its words, in letters."""
        places, at = set(), 0
        for word in self.words[:-1]:
            at += len(word)
            places.add(at)
        return places


class NameIndex:
    """All registered names, ready for searching; it does not change."""

    def __init__(self, patterns: Mapping[str, tuple[_Pattern, ...]], unsearchable: tuple[Name, ...]) -> None:
        self._patterns = list(patterns.values())
        self._affixable = np.array([any(map(_affixable, each)) for each in self._patterns], bool)
        self._automaton = AhoCorasick(list(patterns), implementation=Implementation.ContiguousNFA, store_patterns=False)
        self.unsearchable = unsearchable
        """Names that can never be found: single words not marked as mononyms, and what is too short or too long."""

    @classmethod
    def build(cls, entries: Iterable[Name | tuple[int, str] | tuple[int, str, bool]]) -> Self:
        """An index of these names; about five seconds and 250 MB for 100,000."""
        names = [Name(*entry) for entry in entries]
        patterns: dict[str, list[_Pattern]] = defaultdict(list)
        found: set[int] = set()
        for number, words in _words(names):
            for pattern in _orders(names[number], words):
                patterns["".join(pattern.words)].append(pattern)
                found.add(number)
        unsearchable = tuple(name for number, name in enumerate(names) if number not in found)
        return cls({letters: tuple(each) for letters, each in patterns.items()}, unsearchable)

    def find(self, text: str) -> tuple[NameMatch, ...]:
        """Every registered name in the text, by place; raises ValueError for more than MAX_TEXT characters.

        Tags are to be joined by commas: "Rose" and "Tree" in two tags are no name.
        """
        if len(text) > MAX_TEXT:
            raise ValueError(f"The text has {len(text):,} characters; at most {MAX_TEXT:,} are searched at once.")
        found = set(self._find(Folded.of(text, symbols=False)))
        if any(symbol in text for symbol in SYMBOLS):
            found.update(self._find(Folded.of(text, symbols=True)))
        return tuple(sorted(found, key=lambda match: (match.start, -match.end, match.entry_id, match.name)))

    def _find(self, folded: Folded) -> Iterator[NameMatch]:
        if not self._patterns:
            return
        hits = np.array(self._automaton.find_matches_as_indexes(folded.letters, overlapping=True), np.int64)
        if not hits.size:
            return
        numbers, starts, ends = hits.T
        bounded = folded.starts[starts] & folded.ends[ends]
        for number, start, end in hits[bounded | self._affixable[numbers]].tolist():
            apart = bool(folded.starts[start] and folded.ends[end])
            for pattern in self._patterns[number]:
                if apart or (_affixable(pattern) and _between_affixes(folded, start, end)):
                    match = _match(folded, pattern, start, end)
                    if match is not None:
                        yield match


def _words(names: list[Name]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(number of the name, its folded words) for every spelling of every name, folded in one go."""
    spelt = [(number, spelling) for number, name in enumerate(names) for spelling in _spellings(name.text)]
    for symbols in (True, False):
        folded = Folded.of("\n".join(spelling for _, spelling in spelt), symbols=symbols)
        firsts = np.cumsum([0] + [len(spelling) + 1 for _, spelling in spelt])
        lines = np.searchsorted(firsts, folded.source, side="right") - 1
        begins = np.flatnonzero(folded.strong)
        words: dict[int, list[str]] = defaultdict(list)
        for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
            words[int(lines[begin])].append(folded.letters[begin:end])
        for line, found in words.items():
            number, spelling = spelt[line]
            if symbols or any(symbol in spelling for symbol in SYMBOLS):
                yield number, tuple(found)


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def _spellings(text: str) -> tuple[str, ...]:
    """The name as it is; with umlauts written out; and in capitals, which in Greek look like other letters."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((text, text.translate(_UMLAUTS), text.upper(), text.lower())))


def _orders(name: Name, words: tuple[str, ...]) -> Iterator[_Pattern]:
    """The name in order, and with its first or last word moved to the other end, where it can be searched at all."""
    if not 1 <= len(words) <= MAX_WORDS:
        return
    length = sum(map(len, words))
    joined = "".join(words)
    dense = not joined.isascii() and any(glyph(letter).script != Script.SPACED for letter in joined)
    if length < (2 if dense else LEAST):
        return
    ordinary = all(is_ordinary(word) or len(word) == 1 for word in _plain_words(name.text))
    if len(words) == 1:
        if name.mononym or (dense and length >= 3):
            yield _Pattern(name, words, False, ordinary, dense)
        return
    yield _Pattern(name, words, False, ordinary, dense)
    if not ordinary and length >= SHORT:
        for moved in dict.fromkeys(((words[-1], *words[:-1]), (*words[1:], words[0]))):
            if moved != words:
                yield _Pattern(name, moved, True, False, dense)


def _plain_words(text: str) -> list[str]:
    """The words in their own letters, without accents."""
    if text.isascii():
        return re.findall(r"[^\W_]+", text)
    return re.findall(
        r"[^\W_]+", "".join(each for each in unicodedata.normalize("NFKD", text) if not is_invisible(each))
    )


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """The text's own letters in one case, without accents and separators."""
    return "".join(_plain_words(text)).casefold()


def _affixable(pattern: _Pattern) -> bool:
    """Whether the name is told from what is joined to it: long enough, and no ordinary words."""
    return pattern.length >= SHORT and not pattern.ordinary


def _between_affixes(folded: Folded, start: int, end: int) -> bool:
    """Whether between the letters and the next boundaries there are only affixes of a trigger word."""
    if not folded.starts[start]:
        begin = start - 1
        while begin > 0 and not folded.starts[begin] and start - begin < 12:
            begin -= 1
        if not (folded.starts[begin] and only_affixes(folded.letters[begin:start])):
            return False
    if not folded.ends[end]:
        stop = end + 1
        while stop < len(folded) and not folded.ends[stop] and stop - end < 12:
            stop += 1
        return bool(folded.ends[stop]) and only_affixes(folded.letters[end:stop])
    return True


def _match(folded: Folded, pattern: _Pattern, start: int, end: int) -> NameMatch | None:
    """The match, where the way it is written means the name."""
    begin, stop = folded.span(start, end)
    found = folded.text[begin:stop]
    cuts = set((np.flatnonzero(folded.strong[start + 1 : end]) + 1).tolist())
    spaces = {cut for cut in cuts if folded.text[folded.source[start + cut] - 1].isspace()}
    same = _plain(found) == _plain(pattern.name.text) or _in_order(pattern, found)
    if not (_fits(pattern, cuts, spaces, found) and _disguise_allowed(pattern, found, same, cuts)):
        return None
    if not _meant(folded.text, begin, stop, pattern, same):
        return None
    return NameMatch(pattern.name.entry_id, pattern.name.text, found, begin, stop, same and not pattern.moved)


def _in_order(pattern: _Pattern, found: str) -> bool:
    """Whether these are the name's own letters with its words in another order."""
    return pattern.moved and sorted(_plain(found)) == sorted(_plain(pattern.name.text))


def _fits(pattern: _Pattern, cuts: set[int], spaces: set[int], found: str) -> bool:
    """Whether the separators stand where they may; `cuts` are their places, `spaces` those behind white space."""
    shown = "".join("x" if is_read(char) else " " for char in found if not is_invisible(char))
    if " " * (MAX_GAP + 1) in shown:
        return False
    commas = sum(char in HARD for char in found)
    if commas > (1 if pattern.moved else 0):
        return False
    spaced = len(cuts) >= sum(map(is_read, found)) - 1
    hyphenated = pattern.length >= LONG and not pattern.dense and spaces <= pattern.inner
    return cuts <= pattern.inner or spaced or hyphenated


def _disguise_allowed(pattern: _Pattern, found: str, same: bool, cuts: set[int]) -> bool:
    """Short names have to be written as they are, and what is written may not be ordinary words by itself."""
    several = len(pattern.words) > 1
    if several and not cuts and is_ordinary(_plain(found)):
        return False
    written = _plain_words(found)
    if not same and written and all(map(is_ordinary, written)):
        return False  # "slander" is no disguised "Siander"
    if same:
        return bool(cuts) or not several or pattern.length >= SHORT or pattern.dense
    return pattern.length >= SHORT and 3 * sum(map(is_letter, found)) >= sum(map(is_read, found))


def _meant(text: str, begin: int, stop: int, pattern: _Pattern, same: bool) -> bool:
    """Whether an ambiguous name is meant as a name, by what stands around it."""
    found = text[begin:stop]
    if len(pattern.words) == 1 and not pattern.dense:
        if not pattern.ordinary and pattern.length > LEAST:
            return True
        return same and is_introduced(text, begin, as_author=True)
    if not pattern.ordinary:
        return True
    if not same:
        return any(not char.isalpha() for char in found.replace(" ", ""))
    capitalised = all(word[0].isupper() for word in _plain_words(found))
    return capitalised or is_own_tag(text, begin, stop) or is_introduced(text, begin, as_author=False)
