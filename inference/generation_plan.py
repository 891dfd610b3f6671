"""From what somebody asks for to single pictures: counts, sweeps of one thing and grids of two. Pure values.

An axis varies one thing over values: a strength, the seed, steps, guidance, the sampler, words of the prompt, or the
adapter itself. Values are a list (`0, 0.5, 1`) or a range of numbers as AUTOMATIC1111's X/Y/Z plot writes it: `1-5`,
`0-1 [5]` for five of them, `0-1 (+0.25)` by a step.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from inference.prompts import STRONGEST, Mention, number, parse_prompt, with_strength

SEED_MAX = 2**32 - 1
RANDOM = -1
MAX_VALUES = 24  # of one axis
MAX_LABEL = 200
MAX_PLACE = 16  # adapters in a prompt that an axis can name


class AxisKind(StrEnum):
    STRENGTH = "strength"
    ADAPTER = "adapter"
    SEED = "seed"
    STEPS = "steps"
    GUIDANCE = "guidance"
    SAMPLER = "sampler"
    WORDS = "words"


AXIS_LABELS = {
    AxisKind.STRENGTH: "Strength",
    AxisKind.ADAPTER: "Adapter",
    AxisKind.SEED: "Seed",
    AxisKind.STEPS: "Steps",
    AxisKind.GUIDANCE: "Guidance",
    AxisKind.SAMPLER: "Sampler",
    AxisKind.WORDS: "Words",
}
OF_ADAPTERS = {AxisKind.STRENGTH, AxisKind.ADAPTER}


@dataclass(frozen=True)
class Axis:
    """What varies, over which values; `place` is that of the adapter in the prompt, 0 for the first."""

    kind: AxisKind
    values: tuple[str, ...]
    place: int = 0

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind.value, "values": list(self.values), "place": self.place}


@dataclass(frozen=True)
class Spec:
    """What somebody asks for. A seed of RANDOM is drawn before the plan is made."""

    prompt: str
    base_model: str
    purpose: str = "personal"
    negative: str = ""
    seed: int = RANDOM
    steps: int = 20
    guidance: float = 5.0
    sampler: str = ""
    width: int = 512
    height: int = 512
    count: int = 1
    x: Axis | None = None
    y: Axis | None = None


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, on one base model."""

    pictures: int = 36
    steps: int = 80
    pixels: int = 1536 * 1536
    multiple: int = 8
    smallest: int = 64
    guidance: float = 30.0
    samplers: Mapping[str, str] = field(default_factory=dict)  # slug → title


@dataclass(frozen=True)
class Cell:
    """One picture of the plan."""

    row: int
    column: int
    row_label: str
    column_label: str
    spec: Spec

    @property
    def mentions(self) -> tuple[Mention, ...]:
        return parse_prompt(self.spec.prompt).mentions


@dataclass(frozen=True)
class Wrong:
    """Something in the request that cannot be had: the field, and a sentence."""

    field: str
    message: str


class PlanRefused(ValueError):
    """The request cannot be planned; `wrong` names every reason."""

    def __init__(self, *wrong: Wrong) -> None:
        super().__init__(" ".join(one.message for one in wrong))
        self.wrong = wrong


_RANGE = re.compile(r"^(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)\s*(?:\[(\d{1,3})\]|\(\+(\d+(?:\.\d+)?)\))?$")
_NUMERIC = {AxisKind.STRENGTH, AxisKind.SEED, AxisKind.STEPS, AxisKind.GUIDANCE}
_WHOLE = {AxisKind.SEED, AxisKind.STEPS}


def axis_of(kind: AxisKind, text: str, *, place: int = 0, name: str = "x") -> Axis:
    """An axis from what somebody typed; raises PlanRefused about the field `name`."""
    parts = [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]
    values = [value for part in parts for value in (_ranged(kind, part, name) if kind in _NUMERIC else [part])]
    values = list(dict.fromkeys(values))
    if len(values) < 2:
        raise PlanRefused(Wrong(name, "Give two values at least, separated by commas: 0, 0.5, 1."))
    if len(values) > MAX_VALUES:
        raise PlanRefused(Wrong(name, f"{len(values)} values are too many; an axis has at most {MAX_VALUES}."))
    return Axis(kind, tuple(values), place)


def _ranged(kind: AxisKind, part: str, name: str) -> list[str]:
    match = _RANGE.match(part)
    if match is None:
        return [_number_in(kind, part, name)]
    first, last = float(match[1]), float(match[2])
    if match[3]:
        count = int(match[3])
        numbers = [first] if count < 2 else [first + (last - first) * place / (count - 1) for place in range(count)]
    else:
        step = float(match[4] or 1)
        if step <= 0 or abs(last - first) / step > MAX_VALUES:
            raise PlanRefused(Wrong(name, f"“{part}” has more than {MAX_VALUES} values."))
        numbers = [first + math.copysign(step, last - first) * place for place in range(_steps(first, last, step))]
    return [_number_in(kind, _written(kind, value), name) for value in numbers[: MAX_VALUES + 1]]


def _steps(first: float, last: float, step: float) -> int:
    return math.floor(abs(last - first) / step + 1e-9) + 1


def _written(kind: AxisKind, value: float) -> str:
    return str(round(value)) if kind in _WHOLE else number(value)


def _number_in(kind: AxisKind, text: str, name: str) -> str:
    pattern = r"\d{1,10}" if kind in _WHOLE else r"-?(?:\d{1,4}(?:\.\d{1,6})?|\.\d{1,6})"
    if not re.fullmatch(pattern, text):
        what = "a whole number" if kind in _WHOLE else "a number"
        raise PlanRefused(
            Wrong(name, f"“{text[:40]}” is not {what}. Write a list such as 0, 0.5, 1 or a range: 0-1 [5].")
        )
    return text


def plan(spec: Spec, limits: Limits) -> tuple[Cell, ...]:
    """Every picture that is asked for, row by row; raises PlanRefused with all that is wrong."""
    wrong = [*_wrong(spec, limits), *_wrong_axes(spec)]
    if wrong:
        raise PlanRefused(*wrong)
    cells = tuple(_cells(spec, limits))
    wrong = list(dict.fromkeys(found for cell in cells for found in _wrong(cell.spec, limits)))
    if len(cells) > limits.pictures:
        wrong.append(Wrong("count", f"{len(cells)} pictures are asked for; one request has at most {limits.pictures}."))
    if wrong:
        raise PlanRefused(*wrong)
    return cells


def _wrong(spec: Spec, limits: Limits) -> list[Wrong]:
    found = []
    if not 1 <= spec.steps <= limits.steps:
        found.append(Wrong("steps", f"{spec.steps} steps: there are 1 to {limits.steps}."))
    if not (math.isfinite(spec.guidance) and 0 <= spec.guidance <= limits.guidance):
        found.append(Wrong("guidance", f"A guidance of {spec.guidance:g}: it lies between 0 and {limits.guidance:g}."))
    if not 0 <= spec.seed <= SEED_MAX:
        found.append(Wrong("seed", f"Seed {spec.seed}: seeds lie between 0 and {SEED_MAX}."))
    if spec.sampler and spec.sampler not in limits.samplers:
        found.append(Wrong("sampler", f"“{spec.sampler}” is no sampler here. There are: {', '.join(limits.samplers)}."))
    if not 1 <= spec.count <= limits.pictures:
        found.append(Wrong("count", f"{spec.count} pictures: one request has 1 to {limits.pictures}."))
    return found + _wrong_size(spec, limits)


def _wrong_size(spec: Spec, limits: Limits) -> list[Wrong]:
    found = []
    for name, side in (("width", spec.width), ("height", spec.height)):
        if side < limits.smallest or side % limits.multiple:
            near = max(limits.smallest, round(side / limits.multiple) * limits.multiple)
            found.append(Wrong(name, f"{side}: sides are multiples of {limits.multiple}, such as {near}."))
    if spec.width * spec.height > limits.pixels:
        side = int(math.sqrt(limits.pixels)) // limits.multiple * limits.multiple
        found.append(
            Wrong("width", f"{spec.width} × {spec.height} is larger than is drawn here, which is {side} × {side}.")
        )
    return found


def _wrong_axes(spec: Spec) -> list[Wrong]:
    found = []
    mentions = parse_prompt(spec.prompt).mentions
    for name, axis in (("x", spec.x), ("y", spec.y)):
        if axis is None:
            continue
        if axis.kind in OF_ADAPTERS and not 0 <= axis.place < len(mentions):
            there = f"the prompt names {len(mentions)}" if mentions else "the prompt names none"
            found.append(Wrong(name, f"There is no adapter number {axis.place + 1}: {there}."))
        if axis.kind is AxisKind.STRENGTH:
            far = [value for value in axis.values if abs(float(value)) > STRONGEST]
            found += [Wrong(name, f"A strength of {value} is too much; at most {STRONGEST:g}.") for value in far]
        if axis.kind is AxisKind.WORDS and axis.values[0] not in spec.prompt:
            found.append(Wrong(name, f"“{axis.values[0]}” does not stand in the prompt, so nothing can replace it."))
        found += _unnamed(name, axis)
    if spec.x and spec.y and (spec.x.kind, spec.x.place) == (spec.y.kind, spec.y.place):
        found.append(Wrong("y", "Both axes vary the same thing."))
    if (spec.x or spec.y) and spec.count > 1:
        found.append(Wrong("count", "A grid has one picture in each cell. Vary the seed on an axis instead."))
    return found


def _unnamed(name: str, axis: Axis) -> list[Wrong]:
    if axis.kind is not AxisKind.ADAPTER:
        return []
    bad = [value for value in axis.values if not parse_prompt(f"<lora:{value}:1>").mentions]
    return [Wrong(name, f"“{value[:60]}” is not the address of an adapter (owner/name).") for value in bad]


def _cells(spec: Spec, limits: Limits) -> list[Cell]:
    if spec.x is None and spec.y is None:
        seeds = [(spec.seed + place) % (SEED_MAX + 1) for place in range(spec.count)]
        return [Cell(0, place, "", "", replace(spec, seed=seed, count=1)) for place, seed in enumerate(seeds)]
    columns, rows = _changes(spec.x, limits), _changes(spec.y, limits)
    made = []
    for row, (row_label, change_row) in enumerate(rows):
        for column, (column_label, change_column) in enumerate(columns):
            changed = change_column(change_row(replace(spec, x=None, y=None)))
            made.append(Cell(row, column, row_label[:MAX_LABEL], column_label[:MAX_LABEL], changed))
    return made


Change = Callable[[Spec], Spec]


def _changes(axis: Axis | None, limits: Limits) -> list[tuple[str, Change]]:
    if axis is None:
        return [("", lambda spec: spec)]
    return [(_label(axis, value, limits), _change(axis, value)) for value in axis.values]


def _change(axis: Axis, value: str) -> Change:
    place, first = axis.place, axis.values[0]
    changes: dict[AxisKind, Change] = {
        AxisKind.STRENGTH: lambda spec: replace(spec, prompt=with_strength(spec.prompt, place, float(value))),
        AxisKind.ADAPTER: lambda spec: replace(spec, prompt=_with_adapter(spec.prompt, place, value)),
        AxisKind.SEED: lambda spec: replace(spec, seed=int(value)),
        AxisKind.STEPS: lambda spec: replace(spec, steps=int(value)),
        AxisKind.GUIDANCE: lambda spec: replace(spec, guidance=float(value)),
        AxisKind.SAMPLER: lambda spec: replace(spec, sampler=value),
        AxisKind.WORDS: lambda spec: replace(spec, prompt=spec.prompt.replace(first, value)),
    }
    return changes[axis.kind]


def _with_adapter(prompt: str, place: int, address: str) -> str:
    mention = parse_prompt(prompt).mentions[place]
    changed = replace(mention, written=address)
    return prompt[: mention.start] + changed.tag + prompt[mention.end :]


def _label(axis: Axis, value: str, limits: Limits) -> str:
    return {
        AxisKind.STRENGTH: f"strength {value}",
        AxisKind.SEED: f"seed {value}",
        AxisKind.STEPS: f"{value} steps",
        AxisKind.GUIDANCE: f"guidance {value}",
        AxisKind.SAMPLER: limits.samplers.get(value, value),
    }.get(axis.kind, value)
