"""A problem of a recipe, and the surroundings in which the recipe is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """Whether a run with it is refused, or may start and is likely to disappoint."""

    REFUSED = "refused"
    ADVICE = "advice"


@dataclass(frozen=True)
class Problem:
    """One setting that cannot be so. `field` is its dotted name; the three sentences are for a person."""

    field: str
    what: str
    why: str
    remedy: str
    severity: Severity = Severity.REFUSED


@dataclass(frozen=True)
class Device:
    """What the worker that will run it can do."""

    kind: str = "cuda"
    """cpu, cuda or mps, as torch names them."""
    bf16: bool = True
    """Whether it calculates in bfloat16; NVIDIA's chips do from compute capability 8.0 on."""
    bitsandbytes: bool = True
    """Whether 8-bit optimizers and 4-bit weights are installed for it."""


@dataclass(frozen=True)
class Situation:
    """What a recipe is held against.

    `pictures` are those trained on, without validation and class pictures. `tokens` counts a word's tokens in the
    base's tokenizer; without it, a trigger word's length is not judged. `device` is None while the worker is not known.
    """

    pictures: int
    validation: int = 0
    class_pictures: int = 0
    device: Device | None = field(default_factory=Device)
    tokens: Callable[[str], int] | None = None
