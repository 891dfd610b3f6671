"""Which letters a character can stand for: the tables behind `folding`, as data.

Sources: Unicode decompositions (NFKD) do the bulk; this table holds what they lack, characters that look like Latin
letters (after the lists of Unicode TR 39, "confusables") and digits and symbols read as letters ("leetspeak").
"""

import unicodedata
from collections.abc import Iterator, Mapping

# Letters that look like one another become one: l and i (and 1, |), m and rn, w and vv.
LOOK_ALIKE: Mapping[str, str] = {"l": "i", "m": "rn", "w": "vv"}
DIGITS: Mapping[str, str] = dict(zip("0123456789", "oizeasgtbg", strict=True))
SYMBOLS: Mapping[str, str] = {"@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "€": "e", "£": "i", "¢": "c", "¥": "y"}
HARD = frozenset(",;，、；﹐،")  # what ends a tag; no name runs across it


def _pairs(*rows: str) -> Iterator[tuple[str, str]]:
    """Rows of one Latin letter (or several) and the characters that look like it."""
    for row in rows:
        letter, *others = row.split()
        for other in others:
            yield other, letter


# Capital and small are listed apart, since they look like different letters (Greek Η and η).
HOMOGLYPHS: Mapping[str, str] = {
    **dict(
        _pairs(
            # Cyrillic
            "a А а Ӑ ӑ Ӓ ӓ",
            "b В в Ь ь Ъ ъ Ѣ",
            "c С с",
            "d ԁ Ԁ",
            "e Е е Э э Ҽ ҽ Є є",
            "g ԍ Ԍ",
            "h Н н Һ һ",
            "i І і Ӏ ӏ",
            "j Ј ј",
            "k К к Қ қ Ҝ ҝ",
            "m М м",
            "n И и П п",
            "o О о Ө ө",
            "p Р р",
            "q Ԛ ԛ",
            "r Г г Я я",
            "s Ѕ ѕ",
            "t Т т",
            "u Ц ц",
            "v Ѵ ѵ",
            "w Ԝ ԝ Ш ш Щ щ",
            "x Х х Ҳ ҳ",
            "y У у Ү ү Ұ ұ",
            # Greek
            "a Α α Λ Δ",
            "b Β β",
            "e Ε ε Σ Ξ ξ ϵ",
            "y γ Υ Ψ ψ",
            "z Ζ",
            "n η Ν Π π",
            "h Η",
            "o Θ θ Ο ο σ Φ φ Ω",
            "i Ι ι",
            "k Κ κ ϰ",
            "m Μ",
            "u μ υ",
            "v ν",
            "p Ρ ρ ϱ",
            "s ς",
            "t Τ τ",
            "x Χ χ",
            "w ω",
            "c Ϲ ϲ",
            "j ϳ",
            # Armenian, Cherokee, Lisu and others drawn like Latin capitals
            "o օ Օ ഠ ০ ၀ ਠ ဝ ꓳ Ꭴ",
            "h հ Ꮋ ꓧ",
            "u ս Ս ꓴ Ꮜ",
            "n ո ռ ꓠ",
            "g ց Ꮐ ꓖ",
            "q զ գ",
            "a Ꭺ ꓮ",
            "b Ᏼ ꓐ",
            "c Ꮯ ꓚ",
            "d Ꭰ ꓓ",
            "e Ꭼ ꓰ ℮",
            "i Ꭵ ꓲ",
            "j Ꭻ ꓙ",
            "k Ꮶ ꓗ",
            "l Ꮮ ꓡ ǀ",
            "m Ꮇ ꓟ",
            "p Ꮲ ꓑ",
            "r Ꭱ ꓣ",
            "s Տ Ꮪ ꓢ",
            "t Ꭲ ꓔ",
            "v Ꮩ ꓦ",
            "w Ꮃ ꓪ",
            "x ꓫ ⅹ",
            "y Ꭹ ꓬ",
            "z Ꮓ ꓜ",
            # Latin letters that Unicode does not decompose
            "ae Æ æ Ǽ ǽ",
            "oe Œ œ ɶ",
            "ss ß ẞ",
            "th Þ þ",
            "d Ð ð",
            "o Ø ø Ǿ ǿ",
            "i ı",
            "n Ŋ ŋ",
            "z ʒ Ʒ",
            "s ʃ",
        )
    ),
    # Letters in coloured boxes and circles, and the letters that make up flags
    **{chr(first + n): chr(ord("a") + n) for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6) for n in range(26)},
}
NO_LETTERS = frozenset("™℠℡®©")  # decomposed they would add letters to the word they follow

_DROPPED_MARKS = (
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05C7),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5\u180b\u180c\u180d")  # letters by category, shown as nothing


def is_invisible(char: str) -> bool:
    """Whether the character is drawn as nothing, or only adds a mark to the letter before it.

    Marks of scripts in which they are letters (vowel signs, kana voicing) are none of these.
    """
    if char in _BLANK:
        return True
    category = unicodedata.category(char)
    if category == "Cf" or (category == "Cc" and not char.isspace()):
        return True
    code = ord(char)
    return category in {"Mn", "Me"} and any(first <= code <= last for first, last in _DROPPED_MARKS)


def latin_by_name(char: str) -> str | None:
    """The letter that the character's Unicode name says it is a form of: "LATIN SMALL LETTER L WITH STROKE" → l."""
    words = unicodedata.name(char, "").split(" WITH ")[0].split()
    if words[:1] != ["LATIN"] or "LETTER" not in words or len(words[-1]) != 1:
        return None
    forms = set(words[words.index("LETTER") + 1 : -1])
    return words[-1].lower() if forms <= {"SMALL", "CAPITAL", "DOTLESS", "SCRIPT", "OPEN", "LONG"} else None
