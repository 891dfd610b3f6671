"""Text folded for comparison: one spelling for everything that is read alike, with the places where words may end.

Folded away are case, accents, invisible characters, letters of other scripts that look Latin, digits and symbols read
as letters, and the look-alikes l/i, m/rn and w/vv. Separators disappear too, and are kept as boundaries: *strong* where
something stands between two letters, *weak* where only the writing changes (camelCase, letter to digit, script).
"""

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from moderation.matching.glyphs import (
    DIGITS,
    HOMOGLYPHS,
    LOOK_ALIKE,
    NO_LETTERS,
    SYMBOLS,
    is_invisible,
    latin_by_name,
)

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]
MAX_LETTERS = 4  # of one character; ligatures of whole phrases are cut


class Class(IntEnum):
    """What a character is to the comparison."""

    LETTER = 0
    DIGIT = 1
    SYMBOL = 2
    SEPARATOR = 3
    INVISIBLE = 4


class Script(IntEnum):
    """How the script shows where words end: by spaces, nowhere, or (Hangul) not before what is appended."""

    SPACED = 0
    FREE = 1
    KATAKANA = 2
    HANGUL = 3
    HANGUL_LEAD = 4  # the first sound of a syllable, decomposed


class Glyph(NamedTuple):
    """A character folded: the letters it is read as ("" for none), and how it behaves."""

    letters: str
    kind: Class
    script: Script
    upper: bool
    lower: bool


@lru_cache(maxsize=65_536)
def glyph(char: str) -> Glyph:
    """The character folded, without looking at its neighbours."""
    if is_invisible(char):
        return Glyph("", Class.INVISIBLE, Script.SPACED, False, False)
    if char in SYMBOLS:
        return Glyph(SYMBOLS[char], Class.SYMBOL, Script.SPACED, False, False)
    letters, digit = _letters(char)
    if not letters:
        return Glyph("", Class.SEPARATOR, Script.SPACED, False, False)
    kind = Class.DIGIT if digit else Class.LETTER
    return Glyph(letters[:MAX_LETTERS], kind, _script(letters[0]), char.isupper(), char.islower())


def _letters(char: str) -> tuple[str, bool]:
    """The letters, and whether it is written as a digit."""
    if char in NO_LETTERS:
        return "", False
    parts = [char] if char in HOMOGLYPHS else [part for part in unicodedata.normalize("NFKD", char)]
    read = [_letter(part) for part in parts if not is_invisible(part)]
    digit = bool(read) and all(part.isdigit() for part in parts if part.isalnum()) and any(map(str.isalnum, parts))
    return "".join(LOOK_ALIKE.get(letter, letter) for word in read for letter in word), digit


def _letter(part: str) -> str:
    if part in HOMOGLYPHS:
        return HOMOGLYPHS[part]
    if part.isdigit():
        return DIGITS[str(unicodedata.digit(part))]
    is_accent = 0x02B0 <= ord(part) <= 0x02FF  # the apostrophes and tone marks among the letters
    if is_accent or not (part.isalnum() or unicodedata.category(part).startswith("M")):
        return ""
    return latin_by_name(part) or "".join(HOMOGLYPHS.get(letter, letter) for letter in part.casefold())


def _script(letter: str) -> Script:
    code = ord(letter)
    if 0x1100 <= code <= 0x1112:
        return Script.HANGUL_LEAD
    if 0x1113 <= code <= 0x11FF or 0x3130 <= code <= 0x318F:
        return Script.HANGUL
    if 0x30A0 <= code <= 0x30FF or code in {0x3099, 0x309A}:
        return Script.KATAKANA
    if 0x3040 <= code <= 0x309F or 0x3400 <= code <= 0x9FFF or 0x20000 <= code <= 0x3FFFF or 0x0E00 <= code <= 0x0EFF:
        return Script.FREE
    return Script.SPACED


def is_letter(char: str) -> bool:
    """Whether it is written as a letter, of whatever script or shape; digits and symbols are not."""
    return glyph(char).kind == Class.LETTER


def is_read(char: str) -> bool:
    """Whether it stands for a letter at all, as digits and symbols may."""
    return glyph(char).kind < Class.SEPARATOR


def fold(text: str) -> str:
    """All letters of the text in their one spelling, without separators: equal for everything that is read alike.

    It is for comparing, not for reading: "Müller" gives "rnuiier". Folding again changes nothing.
    """
    return Folded.of(text, symbols=True).letters


@dataclass(frozen=True)
class Folded:
    """A text of n folded letters; the arrays over boundaries have n + 1 places, the first before all letters."""

    text: str
    letters: str
    source: Ints
    """[n] index into `text` of the character each letter comes from."""
    starts: Bools
    """[n + 1] whether a word may start at this letter."""
    ends: Bools
    """[n + 1] whether a word may end before this letter."""
    strong: Bools
    """[n + 1] whether a separator stands before this letter."""

    @classmethod
    def of(cls, text: str, *, symbols: bool) -> Self:
        """Fold a text; `symbols` says whether @, $, ! and the like are letters, or separate words."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        if not codes.size:
            nothing = np.ones(1, bool)
            return cls(text, "", np.empty(0, np.int32), nothing, nothing, nothing)
        glyphs, which = _distinct(codes, symbols)
        kinds = np.array([found.kind for found in glyphs], np.uint8)[which]
        seen = np.flatnonzero(kinds != Class.INVISIBLE)
        which, kinds = which[seen], kinds[seen]
        strong, starts, ends = _boundaries(glyphs, which, kinds, seen)
        kept = np.flatnonzero(kinds < Class.SEPARATOR)
        letters, lengths = _spelt(glyphs, which[kept])
        at = np.concatenate([[0], np.cumsum(lengths)])
        return cls(
            text,
            letters,
            np.repeat(seen[kept], lengths).astype(np.int32),
            *(_placed(flags[kept], at) for flags in (starts, ends, strong)),
        )

    def __len__(self) -> int:
        return len(self.letters)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the letters from `start` to before `end` stand in the text."""
        return int(self.source[start]), int(self.source[end - 1]) + 1


def _distinct(codes: NDArray[np.int64], symbols: bool) -> tuple[list[Glyph], NDArray[np.int64]]:
    """The glyphs that occur, and for every character which of them it is."""
    occurs = np.zeros(int(codes.max()) + 1, bool)
    occurs[codes] = True
    found = np.flatnonzero(occurs)
    number = np.zeros(occurs.size, np.int64)
    number[found] = np.arange(found.size)
    glyphs = [glyph(chr(code)) for code in found]
    if not symbols:
        separator = Glyph("", Class.SEPARATOR, Script.SPACED, False, False)
        glyphs = [separator if each.kind == Class.SYMBOL else each for each in glyphs]
    return glyphs, number[codes]


def _boundaries(
    glyphs: list[Glyph], which: NDArray[np.int64], kinds: NDArray[np.uint8], seen: NDArray[np.int64]
) -> tuple[Bools, Bools, Bools]:
    """Before each visible character: whether a separator stands there, a word may start, and a word may end."""
    upper = np.array([found.upper for found in glyphs])[which]
    lower = np.array([found.lower for found in glyphs])[which]
    script = np.array([found.script for found in glyphs], np.uint8)[which]
    group = np.minimum(script, Script.HANGUL)
    strong, weak = np.ones(which.size, bool), np.zeros(which.size, bool)
    strong[1:] = kinds[:-1] >= Class.SEPARATOR
    weak[1:] = (np.diff(seen) > 1) | ((kinds[1:] == Class.LETTER) != (kinds[:-1] == Class.LETTER))
    weak[1:] |= (group[1:] != group[:-1]) | (group[1:] == Script.FREE) | (lower[:-1] & upper[1:])
    weak[1:-1] |= upper[:-2] & upper[1:-1] & lower[2:]  # the last capital of a run belongs to the next word
    starts = strong | weak
    return strong, starts, starts | (script == Script.HANGUL_LEAD)


def _spelt(glyphs: list[Glyph], which: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """The letters of all characters in one string, and how many each gives."""
    lengths = np.array([len(found.letters) for found in glyphs])
    table = np.zeros((len(glyphs), max(int(lengths.max()), 1)), "<u4")
    for row, found in zip(table, glyphs, strict=True):
        row[: len(found.letters)] = [ord(letter) for letter in found.letters]
    spelt: NDArray[Any] = table[which].ravel()
    return spelt[spelt != 0].tobytes().decode("utf-32-le", "surrogatepass"), lengths[which]


def _placed(flags: Bools, at: NDArray[np.int64]) -> Bools:
    """Flags of characters at their first letters; the end of the text is a boundary of every sort."""
    placed = np.zeros(int(at[-1]) + 1, bool)
    placed[at[:-1]] = flags
    placed[-1] = True
    return placed
