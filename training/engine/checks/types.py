"""Whether each value is of its kind at all: rules that compare numbers come after this."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from training.engine.checks.problem import Problem
from training.engine.config import TrainConfig

NAMES = {int: "a whole number", float: "a number", str: "text", bool: "yes or no"}


def wrong_types(config: TrainConfig) -> Iterator[Problem]:
    """One problem for each value that is not of its setting's type, is not finite, or is absurdly large."""
    yield from _section(config, TrainConfig, "")


def _section(section: Any, kind: type[Any], path: str) -> Iterator[Problem]:
    if type(section) is not kind:
        yield Problem(
            path.rstrip("."), "This is no section of a recipe.", "Its settings are missing.", "Send an object."
        )
        return
    hints = get_type_hints(kind)
    for one in fields(kind):
        value, hint = getattr(section, one.name), hints[one.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _section(value, hint, f"{path}{one.name}.")
        elif wrong := _wrong(value, hint):
            yield Problem(
                f"{path}{one.name}",
                f"{_shown(value)} is not {wrong}.",
                "The setting has another type.",
                f"Give {wrong}.",
            )


def _wrong(value: Any, hint: Any) -> str:
    """What the value should be, or nothing where it is."""
    options = get_args(hint)
    if type(None) in options:
        inner = _wrong(value, next(option for option in options if option is not type(None)))
        return "" if value is None or not inner else f"{inner}, or nothing"
    if options:  # tuple[str, …]
        inner = NAMES[options[0]]
        ok = isinstance(value, tuple) and not any(_wrong(item, options[0]) for item in value)
        return "" if ok else f"a list, each {inner}"
    if issubclass(hint, StrEnum):
        return "" if isinstance(value, hint) else f"one of {', '.join(hint)}"
    if hint is float:
        return "" if _is_number(value) else "a finite number"
    if hint is int:
        return "" if type(value) is int and _is_number(value) else "a whole number"
    return "" if type(value) is hint else NAMES[hint]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 2**53


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
