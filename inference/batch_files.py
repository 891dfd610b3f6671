"""Requests in a file: CSV with a header line, or a JSON list of objects. Every mistake is told with its line.

Strict on purpose: an unknown column is a mistake that would otherwise silently change a hundred pictures.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inference.generation_plan import RANDOM, Spec

MAX_BYTES = 1024**2
INTEGERS = ("seed", "steps", "width", "height", "count")
NUMBERS = ("guidance",)
TEXTS = ("prompt", "negative", "sampler", "base_model", "purpose")
COLUMNS = (*TEXTS, *INTEGERS, *NUMBERS)
# What other tools call them.
ALSO = {
    "negative_prompt": "negative",
    "cfg_scale": "guidance",
    "model": "base_model",
    "n": "count",
    "batch_size": "count",
}
DIGITS = 10


class FileRefused(ValueError):
    """The file as a whole, or some of its lines, cannot be read; `rows` has sentences by line, 1 for the first."""

    def __init__(self, message: str, rows: Mapping[int, list[str]] | None = None) -> None:
        super().__init__(message)
        self.rows = dict(rows or {})


def requests_in(content: bytes, *, defaults: Mapping[str, Spec], base_model: str) -> tuple[Spec, ...]:
    """The requests of a file, in its order. `defaults` has a Spec for each base model, whose values fill gaps.

    Raises FileRefused with everything that is wrong in it.
    """
    if len(content) > MAX_BYTES:
        raise FileRefused(f"The file is larger than {MAX_BYTES // 1024} KiB. Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(f"The file is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    rows = _json_rows(text) if text.lstrip()[:1] in {"[", "{"} else _csv_rows(text)
    if not rows:
        raise FileRefused("There are no requests in it.")
    return requests_of(rows, defaults=defaults, base_model=base_model)


def requests_of(rows: list[Mapping[str, Any]], *, defaults: Mapping[str, Spec], base_model: str) -> tuple[Spec, ...]:
    """The same for rows that are read already."""
    specs, wrong = [], {}
    for number, row in enumerate(rows, start=1):
        spec, found = _spec(row, defaults, base_model)
        if found:
            wrong[number] = found
        elif spec is not None:
            specs.append(spec)
    if wrong:
        raise FileRefused(f"{len(wrong)} of {len(rows)} requests cannot be read.", wrong)
    return tuple(specs)


def _json_rows(text: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise FileRefused(f"The JSON cannot be read ({where}). It is a list of objects.") from error
    if isinstance(found, dict):
        found = found.get("requests")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise FileRefused("The JSON is no list of objects. Write [{“prompt”: “…”}, …].")
    return found


def _csv_rows(text: str) -> list[Mapping[str, Any]]:
    if "\0" in text:
        raise FileRefused("The file holds zero bytes; it is no CSV.")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)  # a spreadsheet's own language decides
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        head, *lines = [line for line in reader if any(cell.strip() for cell in line)] or [[]]
    except csv.Error as error:
        raise FileRefused(f"The CSV cannot be read in line {reader.line_num}: {error}.") from error
    names = [name.strip().lower() for name in head]
    if len(set(names)) != len(names):
        raise FileRefused("A column stands twice in the first line.")
    long = {
        number: ["It has more cells than the first line."]
        for number, line in enumerate(lines, 1)
        if len(line) > len(names)
    }
    if long:
        raise FileRefused(f"{len(long)} lines have too many cells. Put texts with commas in quotes.", long)
    return [dict(zip(names, line, strict=False)) for line in lines]


def _spec(row: Mapping[str, Any], defaults: Mapping[str, Spec], base_model: str) -> tuple[Spec | None, list[str]]:
    given, wrong = {}, []
    for key, value in row.items():
        name = ALSO.get(str(key).strip().lower(), str(key).strip().lower())
        if name not in COLUMNS:
            wrong.append(f"“{str(key)[:40]}” is no column here. There are: {', '.join(COLUMNS)}.")
            continue
        if value is None or (isinstance(value, str) and not value.strip()):
            continue  # as if it were not there
        try:
            given[name] = _value(name, value)
        except ValueError as error:
            wrong.append(str(error))
    base = given.get("base_model", base_model)
    if base not in defaults:
        wrong.append(f"“{base}” is no base model here. There are: {', '.join(defaults)}.")
    if not given.get("prompt"):
        wrong.append("It has no prompt.")
    return (None, wrong) if wrong else (replace(defaults[base], **{"seed": RANDOM, **given, "base_model": base}), [])


def _value(name: str, value: Any) -> Any:
    if name in TEXTS:
        if not isinstance(value, str):
            raise ValueError(f"{name}: {value!r} is no text.")
        return value.strip()
    if isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is no number.")
    text = str(value).strip()
    whole = name in INTEGERS
    try:
        if len(text) > DIGITS + (0 if whole else DIGITS):
            raise ValueError
        number: Any = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{name}: “{text[:40]}” is no {'whole ' if whole else ''}number.") from None
    return number
