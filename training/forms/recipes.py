"""A recipe as form fields: one for each setting, made from the recipe's own types."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_type_hints

from django import forms

from training.engine.config import TrainConfig
from training.engine.presets.files import setting_defaults
from training.labels import GROUPS, LABELS

PREFIX = "recipe."
LEFT_OUT = frozenset({"family", "trigger"})  # they follow from the base and from a field of their own
TIMESTEPS = ("uniform", "logit-normal")


class LinesField(forms.CharField):
    """Several texts, one in a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return tuple(line.strip() for line in text.splitlines() if line.strip())


class NumbersField(forms.CharField):
    """Several whole numbers, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return tuple(int(word) for word in text.replace(";", ",").split(",") if word.strip())
        except ValueError as error:
            raise forms.ValidationError("Write whole numbers, separated by commas.") from error


def setting_types() -> dict[str, Any]:
    """The type of each setting by its dotted name."""
    found: dict[str, Any] = {}
    hints = get_type_hints(TrainConfig)
    for one in fields(TrainConfig):
        hint = hints[one.name]
        if hasattr(hint, "__dataclass_fields__"):
            inner = get_type_hints(hint)
            found |= {f"{one.name}.{name}": inner[name] for name in hint.__dataclass_fields__}
        else:
            found[one.name] = hint
    return found


def recipe_fields(initial: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, forms.Field]:
    """A field for each setting, with its reason as help; named `recipe.<setting>`."""
    return {
        PREFIX + name: _field(name, hint, initial.get(name), reasons.get(name, ""))
        for name, hint in _in_order()
        if name not in LEFT_OUT
    }


def _in_order() -> Iterator[tuple[str, Any]]:
    hints = setting_types()
    yield from ((name, hints[name]) for name in LABELS if name in hints)
    yield from ((name, hint) for name, hint in hints.items() if name not in LABELS)


def _field(name: str, hint: Any, initial: Any, reason: str) -> forms.Field:
    about: dict[str, Any] = {"label": LABELS.get(name, name), "initial": initial, "help_text": reason}
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    optional = type(None) in kinds
    kind = next(one for one in kinds if one is not type(None))
    about["required"] = not optional and kind is not bool
    if name == "loss.timestep_sampling":
        return forms.ChoiceField(choices=[(word, word) for word in TIMESTEPS], **about)
    if kind is bool:
        return forms.BooleanField(**about)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return forms.ChoiceField(choices=[(one.value, one.value) for one in kind], **about)
    if kind is int:
        return forms.IntegerField(**about)
    if kind is float:
        return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **about)
    several = LinesField if get_args(hint)[:1] == (str,) else NumbersField
    return several(**{**about, "required": False})


def config_of(data: Mapping[str, Any], *, family: str, trigger: str) -> TrainConfig:
    """The recipe that cleaned fields describe; raises ValueError."""
    plain: dict[str, Any] = {"family": family, "trigger": trigger}
    for name in setting_defaults():
        if PREFIX + name not in data:
            continue
        section, _, key = name.rpartition(".")
        place = plain.setdefault(section, {}) if section else plain
        place[key] = data[PREFIX + name]
    return TrainConfig.from_json(plain)


def grouped(form: forms.Form) -> list[tuple[str, list[forms.BoundField]]]:
    """The recipe's fields by section, for the page."""
    found: dict[str, list[forms.BoundField]] = {}
    for field in form:
        if field.name.startswith(PREFIX):
            section = field.name.removeprefix(PREFIX).rpartition(".")[0] or "run"
            found.setdefault(section, []).append(field)
    return [(title, found[name]) for name, title in GROUPS.items() if name in found]
