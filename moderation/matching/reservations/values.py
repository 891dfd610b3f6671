"""What a reservation is, and the words that make one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["block", "review"]
SHOWN = 200  # characters of foreign text in a finding


@dataclass(frozen=True)
class Reservation:
    """A signal against training: which, what follows from it, what it says, and where it stands.

    Signals: c2pa, cawg, plus, tdm, noai, plain-words, robots, ai.txt, content-signal, and unreadable.
    """

    signal: str
    outcome: Outcome
    detail: str
    where: str


def unreadable(what: str, where: str) -> Reservation:
    """The finding for what cannot be read."""
    return Reservation("unreadable", "review", f"{what} A reservation in it would not be seen; look at it.", where)


def shown(text: str) -> str:
    """Foreign text, safe to show: printable, on one line, and short."""
    line = "".join(char if char.isprintable() else " " for char in text[: 2 * SHOWN])
    line = " ".join(line.split())
    return line if len(line) <= SHOWN else line[:SHOWN] + "…"


# `noai` and `noimageai` are DeviantArt's marks, which other sites and programs took over; they also stand in keywords.
_NOAI = re.compile(r"(?<![a-z0-9])no[-_]?(?:image)?[-_]?ai(?![a-z0-9])", re.IGNORECASE)
_NO_AI = re.compile(r"(?<![a-z0-9])no ai(?![a-z0-9])", re.IGNORECASE)
_AI = r"(?:(?:generative )?ai|(?:ai|machine|deep)[- ]learning|ml|llms?|(?:text and )?data[- ]?mining|tdm)"
_ACT = r"(?:train(?:ing)?|data ?sets?|mining|scraping|learning)"
_FORBIDDEN = r"(?:prohibited|forbidden|disallowed|reserved|not (?:allowed|permitted|granted))"
_FEW = r"(?:[\w,/]+ ){0,5}?"
_PLAIN = re.compile(
    rf"\bno (?:use (?:for|in|to) )?{_AI}[ -]{_ACT}\b"
    rf"|\b(?:not|never) (?:be )?(?:{_FEW})(?:for|in|to) (?:{_FEW}){_AI}(?:[ -]{_ACT})?\b"
    rf"|\b(?:not|never|don'?t) (?:{_FEW})train (?:{_FEW})(?:{_AI}|models?)\b"
    rf"|\b{_AI}(?:[ -]{_ACT})? (?:rights? )?(?:is |are )?(?:strictly |expressly |hereby )?{_FORBIDDEN}"
    r"|\b(?:do not|don'?t) train\b(?! your)",
    re.IGNORECASE,
)
MAX_WORDS = 100_000  # characters of one text looked at for plain words
MAX_WORD = 1000  # characters


def from_words(text: str, where: str) -> Iterator[Reservation]:
    """Reservations in a free text: `noai` marks, and sentences that forbid training."""
    text = text[:MAX_WORDS]
    if len(text) > MAX_WORD and " " not in text:
        return  # encoded data, such as a thumbnail
    if match := _NOAI.search(text):
        yield Reservation("noai", "block", f"It is marked “{shown(match[0])}”.", where)
    elif match := _PLAIN.search(text):
        yield Reservation("plain-words", "block", f"It says “{shown(match[0])}”.", where)
    elif match := _NO_AI.search(text):
        around = text[max(0, match.start() - 60) : match.end() + 60]
        yield Reservation("plain-words", "review", f"It says “{shown(around)}”, which may be a reservation.", where)


def has_noai(text: str) -> bool:
    return _NOAI.search(text) is not None
