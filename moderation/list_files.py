"""Files of opt-out lists: CSV and JSON lines, read line by line, whatever is wrong with a line named with its number.

Columns, in CSV named by the first line, in JSON lines keys of an object:
  kind        work, name or url
  value       the hash in hexadecimal digits, the name, or the address
  algorithm   of a work's hash: pdq, phash or sha256
  title       what the work is called (optional)
  mononym     yes where a name of one word means its bearer alone (optional)
  reference   what the list itself calls the entry (optional)
One row is one line: a field holds no line break. UTF-8, with or without a mark at its beginning.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from moderation.addresses import AddressRefused, address_read
from moderation.errors import ListRefused
from moderation.models import EntryKind
from moderation.optout_things import HashRefused, NameRefused, Thing, address_thing, hash_thing, name_read

COLUMNS = ("kind", "value", "algorithm", "title", "mononym", "reference")
NEEDED = ("kind", "value")
LINE_MAX = 64 * 1024  # bytes
YES = {"yes", "y", "true", "1"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with these a cell would be taken for a formula


class RowRefused(ValueError):
    """A line that is no entry; the message says why."""


@dataclass(frozen=True)
class Row:
    """One line: the thing that it names and the list's own word for it, or why it cannot be taken."""

    line: int
    end: int  # offset in bytes behind it
    thing: Thing | None = None
    reference: str = ""
    reason: str = ""


def format_of(filename: str, beginning: bytes) -> str:
    """csv or jsonl, by the name and else by how the file begins; raises ListRefused for what is neither."""
    name = filename.lower()
    if name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if name.endswith(".csv"):
        return "csv"
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        return "jsonl"
    if b"kind" in start.split(b"\n", 1)[0] and b"value" in start.split(b"\n", 1)[0]:
        return "csv"
    raise ListRefused("The file is neither CSV with a first line that names its columns nor JSON lines.")


def rows_of(file: IO[bytes], *, format: str, offset: int = 0, line: int = 0) -> Iterator[Row]:
    """The rows of a list, from an earlier place on; raises ListRefused where a CSV file names no columns."""
    file.seek(0)
    columns: list[str] = []
    if format == "csv":
        columns = _columns(next(_lines(file, 0), (0, b""))[1])
    first = file.tell()
    number = line or (1 if columns else 0)
    file.seek(max(offset, first))
    for end, content in _lines(file, file.tell()):
        number += 1
        if content is not None and not content.strip():
            continue
        try:
            thing, reference = _row(content, columns)
        except RowRefused as error:
            yield Row(number, end, reason=str(error))
        else:
            yield Row(number, end, thing, reference)


def _lines(file: IO[bytes], start: int) -> Iterator[tuple[int, bytes | None]]:
    """Offset behind each line, and the line; None for one that is too long, of which no more is kept in memory."""
    at = start
    while line := file.readline(LINE_MAX + 1):
        at += len(line)
        if len(line) <= LINE_MAX or line.endswith(b"\n"):
            yield at, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_MAX)
            at += len(line)
        yield at, None


def _columns(line: bytes | None) -> list[str]:
    try:
        fields = _fields((line or b"").removeprefix(b"\xef\xbb\xbf"))
    except RowRefused as error:
        raise ListRefused(f"The first line does not name the columns: {error}") from error
    columns = [field.strip().lower() for field in fields]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ListRefused(
            f"The first line has to name the columns, and lacks {' and '.join(missing)}.",
            remedy=f"Columns are {', '.join(COLUMNS)}; kind and value are needed.",
        )
    if len(set(columns)) < len(columns):
        raise ListRefused("The first line names a column twice.")
    return columns


def _fields(line: bytes) -> list[str]:
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise RowRefused("It is not UTF-8.") from error
    if "\0" in text:
        raise RowRefused("It holds a zero byte.")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise RowRefused("Its quotes do not close.") from error


def _row(content: bytes | None, columns: list[str]) -> tuple[Thing, str]:
    if content is None:
        raise RowRefused(f"It is longer than {LINE_MAX:,} bytes.")
    cells = _of_csv(content, columns) if columns else _of_json(content)
    kind = cells.get("kind", "").strip().lower()
    value = cells.get("value", "").strip()
    try:
        thing = _thing(kind, value, cells)
    except (HashRefused, NameRefused, AddressRefused) as error:
        raise RowRefused(str(error)) from error
    return thing, cells.get("reference", "")[:100]


def _thing(kind: str, value: str, cells: dict[str, str]) -> Thing:
    if kind == EntryKind.WORK:
        title = "".join(sign for sign in cells.get("title", "")[:300] if sign.isprintable())
        return hash_thing(cells.get("algorithm", "").strip().lower(), value.lower(), title=title)
    if kind == EntryKind.NAME:
        return name_read(value, mononym=cells.get("mononym", "").strip().lower() in YES)
    if kind == EntryKind.URL:
        return address_thing(address_read(value))
    raise RowRefused(f"The kind {kind[:20]!r} is none of work, name and url.")


def _of_csv(content: bytes, columns: list[str]) -> dict[str, str]:
    fields = _fields(content)
    if len(fields) > len(columns):
        raise RowRefused(f"It has {len(fields)} fields, and the first line names {len(columns)}.")
    return dict(zip(columns, map(unescaped, fields), strict=False))


def _of_json(content: bytes) -> dict[str, str]:
    try:
        found: Any = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RowRefused("It is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise RowRefused("It is no JSON.") from error
    if not isinstance(found, dict):
        raise RowRefused("It is no JSON object.")
    plain = {name: str(value) for name, value in found.items() if isinstance(value, str | int | bool)}
    if any("\0" in value or not _encodable(value) for value in plain.values()):
        raise RowRefused("It holds characters that cannot be kept.")
    return plain


def _encodable(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def written(rows: Iterable[dict[str, str]], *, format: str) -> Iterator[str]:
    """Rows as lines of a list that `rows_of` reads again; safe to be opened in a spreadsheet."""
    if format == "csv":
        yield _csv_line(list(COLUMNS))
    for row in rows:
        if format == "csv":
            yield _csv_line([escaped(row.get(name, "")) for name in COLUMNS])
        else:
            yield json.dumps({name: row[name] for name in COLUMNS if row.get(name)}, ensure_ascii=False) + "\n"


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before it, and before one that has such."""
    return (
        f"'{cell}"
        if cell.startswith(FORMULA) or (cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")))
        else cell
    )


def unescaped(cell: str) -> str:
    """The inverse of `escaped`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def _csv_line(cells: list[str]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerow(cells)
    return made.getvalue()
