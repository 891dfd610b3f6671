"""What a `.gitignore` leaves out, as git decides it: https://git-scm.com/docs/gitignore. Pure.

Every star tries its first fit only (what follows it up to the next star is fixed, so a later fit gains nothing): time
grows with the lengths of pattern and path, never with their powers.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MOST_TEXT = 64 * 1024  # characters
MOST_LINES = 500  # patterns
MOST_PATTERN = 500  # characters of one
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}  # fmt: skip
NEVER = "(?!)"


class IgnoreRefused(ValueError):
    """The text is larger than what is looked at."""


@dataclass(frozen=True)
class _Rule:
    matches: re.Pattern[str]
    again: bool  # `!`: what an earlier rule left out is taken
    folders: bool  # a slash at its end: folders alone


class GitIgnore:
    """The rules of one `.gitignore` at the root; raises IgnoreRefused."""

    def __init__(self, text: str) -> None:
        lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        if len(text) > MOST_TEXT or len(lines) > MOST_LINES or any(len(line) > MOST_PATTERN for line in lines):
            raise IgnoreRefused(
                f"The .gitignore is too long: at most {MOST_LINES} patterns of {MOST_PATTERN} characters are looked at."
            )
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]
        self._folder = lru_cache(maxsize=10_000)(self._leaves_out_folder)

    def leaves_out(self, path: str) -> bool:
        """Whether the file at `path` is left out: by a rule, or with a folder above it, out of which nothing comes."""
        above = path.rpartition("/")[0]
        return bool(above and self._folder(above)) or self._decided(path, is_folder=False)

    def _leaves_out_folder(self, path: str) -> bool:
        above = path.rpartition("/")[0]
        return bool(above and self._folder(above)) or self._decided(path, is_folder=True)

    def _decided(self, path: str, *, is_folder: bool) -> bool:
        """The last rule that fits decides."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders) and rule.matches.fullmatch(path):
                return not rule.again
        return False


def _rule(line: str) -> _Rule | None:
    """One line; None for one that says nothing."""
    again = line.startswith("!")
    pattern = _unpadded(line[again:])
    folders = pattern.endswith("/")
    pattern = pattern[:-1] if folders else pattern
    if not pattern:
        return None
    return _Rule(re.compile(_expression(pattern), re.DOTALL), again, folders)


def _unpadded(line: str) -> str:
    """Without the spaces at its end, unless a backslash stands before them."""
    kept = line.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and len(kept) < len(line) else kept


def _expression(pattern: str) -> str:
    """The pattern as a regular expression over the whole path. Without a slash inside, any folder may be before it."""
    anchored = "/" in pattern
    parts = pattern.removeprefix("/").split("/")
    if not anchored:
        return f"(?:.*/)?{_segment(parts[0])}"
    groups: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            groups.append([])
        else:
            groups[-1].append(_segment(part))
    return _joined(groups)


def _joined(groups: list[list[str]]) -> str:
    """What stands between `**` is tried where it first fits, and what stands last at the end."""
    *middle, last = ["/".join(group) for group in groups]
    if not middle:
        return last
    said = f"{middle[0]}/" if middle[0] else ""
    said += "".join(f"(?>(?:[^/]+/)*?{group}/)" for group in middle[1:] if group)
    return f"{said}(?:[^/]+/)*{last}" if last else f"{said}.+"


def _segment(part: str) -> str:
    """One part between slashes: its stars, question marks and classes never fit a slash."""
    pieces, place = [""], 0
    while place < len(part):
        if part[place] == "*":
            pieces += [""] if pieces[-1] or len(pieces) == 1 else []
            place += 1
            continue
        said, place = _one(part, place)
        pieces[-1] += said
    first, *rest = pieces
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}"


def _one(part: str, place: int) -> tuple[str, int]:
    """What fits one character, and where the next begins."""
    letter = part[place]
    if letter == "?":
        return "[^/]", place + 1
    if letter == "\\":
        return (re.escape(part[place + 1]), place + 2) if place + 1 < len(part) else (NEVER, place + 1)
    if letter == "[":
        return _class(part, place)
    return re.escape(letter), place + 1


def _class(part: str, place: int) -> tuple[str, int]:
    """A class such as `[a-c]`, `[!x]` or `[[:digit:]]`; one that is not closed fits nothing."""
    at = place + 1
    denied = part[at : at + 1] in {"!", "^"}
    at += denied
    first, inside = at, ""
    while at < len(part) and (part[at] != "]" or at == first):
        if part.startswith("[:", at) and (end := part.find(":]", at + 2)) > 0:
            inside += _CLASSES.get(part[at + 2 : end], "")
            at = end + 2
            continue
        low, at = _letter(part, at)
        high = low
        if part.startswith("-", at) and part[at + 1 : at + 2] not in {"", "]"}:
            high, at = _letter(part, at + 1)
        inside += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)  # git looks at it first
    if at >= len(part):
        return NEVER, len(part)
    said = f"[{'^' if denied else ''}{inside}]" if inside else "." if denied else NEVER
    return f"(?!/){said}", at + 1


def _letter(part: str, at: int) -> tuple[str, int]:
    """One character of a class, a backslash before it left away, and where the next is."""
    escaped = part[at] == "\\" and at + 1 < len(part)
    return part[at + escaped], at + 1 + escaped
