"""The preset files and their strict reading: a name that no setting bears, or a value without reason, is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from training.engine.config import TrainConfig

FOLDER = Path(__file__).parent
NONE = "none"  # TOML has no null; only settings whose default is None may take it
COMPUTED = frozenset({"steps", "checkpoint_every", "validate_every", "optim.warmup_steps", "samples.every"})
FREE = frozenset({"family", "trigger", "seed"})  # what a preset leaves to the run


class PresetInvalid(ValueError):
    """A preset file says something that cannot be. The message names the file, the setting and what is wrong."""


@dataclass(frozen=True)
class Value:
    """One setting's value, why it is so, and what that rests on (a key of `sources`)."""

    value: Any
    why: str
    source: str


@dataclass(frozen=True)
class Title:
    """How a purpose or family is called, for a page."""

    name: str
    title: str
    summary: str = ""


@dataclass(frozen=True)
class Purpose:
    """A purpose's file: how often each picture is looked at, and its settings, for all families and for some."""

    title: Title
    views: Value
    settings: Mapping[str, Value]
    by_family: Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class Family:
    """A family's file; it may say how often each picture is looked at, whatever the purpose."""

    title: Title
    settings: Mapping[str, Value]
    views: Value | None = None


def setting_defaults() -> dict[str, Any]:
    """Every setting of a run by its dotted name, with the default of `TrainConfig`."""
    found: dict[str, Any] = {}
    for name, value in TrainConfig(family="").to_json().items():
        inner = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        found |= inner
    return found


@cache
def sources() -> Mapping[str, str]:
    """What reasons rest on, by the key that the files use."""
    found = _toml("sources.toml")
    for key, text in found.items():
        _sentence(f"sources.toml: {key}", text, end="")
    return MappingProxyType(found)


@cache
def defaults() -> Mapping[str, Value]:
    """What holds for every purpose and family."""
    file = _toml("defaults.toml")
    _only(file, {"settings"}, "defaults.toml")
    return read_settings(file.get("settings"), "defaults.toml")


@cache
def families() -> tuple[Title, ...]:
    """The base families that there are presets for."""
    return tuple(family(name).title for name in _names("families"))


@cache
def purposes() -> tuple[Title, ...]:
    """The purposes that there are presets for."""
    return tuple(purpose(name).title for name in _names("purposes"))


@cache
def family(name: str) -> Family:
    """The file of one family. Raises PresetInvalid; KeyError where there is none."""
    where = _known("families", name)
    file = _toml(where)
    _only(file, {"title", "settings", "views"}, where)
    views = _views(file["views"], where) if "views" in file else None
    return Family(_title(file, name, where), read_settings(file.get("settings"), where), views)


@cache
def purpose(name: str) -> Purpose:
    """The file of one purpose. Raises PresetInvalid; KeyError where there is none."""
    where = _known("purposes", name)
    file = _toml(where)
    _only(file, {"title", "summary", "views", "settings", "family"}, where)
    by_family = {key: read_settings(value, f"{where} [family.{key}]") for key, value in file.get("family", {}).items()}
    if unknown := sorted(set(by_family) - set(_names("families"))):
        raise PresetInvalid(f"{where}: there is no family “{unknown[0]}”.")
    views = _views(file.get("views"), where)
    return Purpose(_title(file, name, where), views, read_settings(file.get("settings"), where), by_family)


def _views(entry: Any, where: str) -> Value:
    views = _value(entry, f"{where}: views")
    if type(views.value) is not int or views.value < 1:
        raise PresetInvalid(f"{where}: views is a whole number of looks at each picture, and not {views.value!r}.")
    return views


def read_settings(table: Any, where: str) -> dict[str, Value]:
    """Settings by their dotted names. Raises PresetInvalid."""
    if not isinstance(table, dict):
        raise PresetInvalid(f"{where}: [settings] is missing.")
    known = setting_defaults()
    found: dict[str, Value] = {}
    for name, entry in table.items():
        if name not in known or name in FREE | COMPUTED:
            raise PresetInvalid(f"{where}: “{name}” is no setting that a preset gives.")
        value = _value(entry, f"{where}: {name}")
        found[name] = _typed(value, known[name], f"{where}: {name}")
    return found


def _typed(value: Value, default: Any, where: str) -> Value:
    """“none” becomes None where that is a setting's default; anything else has the default's type."""
    if default is None:
        plain = None if value.value == NONE else value.value
        if plain is not None and (isinstance(plain, bool) or not isinstance(plain, int | float)):
            raise PresetInvalid(f"{where}: a number or “{NONE}”, and not {plain!r}.")
        return Value(plain, value.why, value.source)
    kind = list if isinstance(default, tuple) else str if isinstance(default, str) else type(default)
    if type(value.value) is not kind:
        raise PresetInvalid(f"{where}: {value.value!r} has the wrong type; it is {kind.__name__}.")
    return value


def _value(entry: Any, where: str) -> Value:
    if not isinstance(entry, dict) or set(entry) != {"value", "why", "source"}:
        raise PresetInvalid(f"{where}: needs a value, why and source, and nothing else.")
    _sentence(where, entry["why"])
    if entry["source"] not in sources():
        raise PresetInvalid(f"{where}: “{entry['source']}” is no source of sources.toml.")
    return Value(entry["value"], entry["why"], entry["source"])


def _sentence(where: str, text: Any, *, end: str = ".") -> None:
    if not isinstance(text, str) or len(text) < 10 or not text.endswith(end) or (end and not text[0].isupper()):
        raise PresetInvalid(f"{where}: the reason is one sentence, with a capital and a full stop.")


def _title(file: Mapping[str, Any], name: str, where: str) -> Title:
    title, summary = file.get("title"), file.get("summary", "")
    if not isinstance(title, str) or not title or not isinstance(summary, str):
        raise PresetInvalid(f"{where}: needs a title.")
    return Title(name, title, summary)


def _only(file: Mapping[str, Any], allowed: set[str], where: str) -> None:
    if unknown := sorted(set(file) - allowed):
        raise PresetInvalid(f"{where}: “{unknown[0]}” is not known there.")


def _names(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (FOLDER / folder).glob("*.toml")))


def _known(folder: str, name: str) -> str:
    if name not in _names(folder):
        raise KeyError(f"There is no preset for “{name}”; there are {', '.join(_names(folder))}.")
    return f"{folder}/{name}.toml"


def _toml(relative: str) -> dict[str, Any]:
    try:
        return tomllib.loads((FOLDER / relative).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PresetInvalid(f"{relative}: {error}") from error
