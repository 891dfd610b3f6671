"""What clients send in the query string: lists as repeated names, by commas or with brackets; numbers in limits."""

import base64
import binascii
import json
import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from registry.compat.civitai.errors import BadRequest

TRUE, FALSE = {"true", "1"}, {"false", "0"}
LONGEST = 200  # characters of one value
BIGGEST = 2**62  # what the database can hold, with room
NUMBER = re.compile(r"^\d{1,18}$")


def text_of(query: QueryDict, name: str) -> str:
    """The value, without what no text of the database can hold."""
    return query.get(name, "").replace("\0", "").strip()[:LONGEST]


def words_of(query: QueryDict, name: str) -> list[str]:
    """`types=A&types=B`, `types=A,B` and `types[]=A` all mean the same."""
    given = [*query.getlist(name), *query.getlist(f"{name}[]")]
    words = [word.replace("\0", "").strip()[:LONGEST] for value in given for word in value.split(",")]
    return [word for word in dict.fromkeys(words) if word][:LONGEST]


def chosen(query: QueryDict, name: str, known: Collection[str]) -> list[str]:
    """Words of a closed list, in any case; raises BadRequest that names what is accepted."""
    by_lower = {word.casefold(): word for word in known}
    words = words_of(query, name)
    if unknown := [word for word in words if word.casefold() not in by_lower]:
        raise BadRequest(f"{name} does not know “{unknown[0]}”. Accepted: {', '.join(known)}.")
    return [by_lower[word.casefold()] for word in words]


def one_of(query: QueryDict, name: str, known: Collection[str], default: str) -> str:
    """One word of a closed list; the default where none was given."""
    words = chosen(query, name, known)
    return words[0] if words else default


def number_of(query: QueryDict, name: str, *, default: int, most: int, least: int = 1) -> int:
    """A whole number within limits; raises BadRequest that names them."""
    value = text_of(query, name)
    if not value:
        return default
    if not NUMBER.match(value) or not least <= int(value) <= most:
        raise BadRequest(f"{name} is a number from {least} to {most}, and not “{value}”.")
    return int(value)


def id_of(query: QueryDict, name: str) -> int | None:
    """An id, or None; raises BadRequest for what is no number."""
    value = text_of(query, name)
    if not value:
        return None
    if not NUMBER.match(value):
        raise BadRequest(f"{name} is a number, and not “{value}”.")
    return int(value)


def ids_of(query: QueryDict, name: str) -> list[int]:
    """A list of ids; raises BadRequest for what is no number."""
    words = words_of(query, name)
    if wrong := [word for word in words if not NUMBER.match(word)]:
        raise BadRequest(f"{name} is a list of numbers, and “{wrong[0]}” is none.")
    return [int(word) for word in words]


def flag_of(query: QueryDict, name: str) -> bool | None:
    """true, false, or None where nothing was said."""
    value = text_of(query, name).casefold()
    if not value:
        return None
    if value not in TRUE | FALSE:
        raise BadRequest(f"{name} is true or false, and not “{value}”.")
    return value in TRUE


def cursor_of(*parts: Any) -> str:
    """Where a page ended, as opaque text."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def read_cursor(query: QueryDict, order: str) -> list[Any] | None:
    """What `cursor_of` wrote behind the name of the order; raises BadRequest for any other text."""
    value = text_of(query, "cursor")
    if not value:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        if not isinstance(found, list) or len(found) != 3 or found[0] != order:
            raise BadRequest("The cursor belongs to another search. Start again without it.")
        return found[1:]
    except (ValueError, RecursionError, binascii.Error) as error:
        raise BadRequest("The cursor cannot be read. Start again without it.") from error


def moment_of(value: Any) -> datetime:
    """A moment of a cursor; raises BadRequest."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest("The cursor cannot be read. Start again without it.") from error
