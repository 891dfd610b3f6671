"""What the watch is shown, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Fact = int | float | str


@dataclass(frozen=True)
class History:
    """A run's numbers so far: (step, loss) of training and validation in the order of steps, and its checkpoints."""

    losses: tuple[tuple[int, float], ...] = ()
    validations: tuple[tuple[int, float], ...] = ()
    checkpoints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A sample picture. Those of step 0 are the base's own; equal prompt and seed mean equal noise.

    `prompt` as it was drawn, with the trigger word or without it, or with `{trigger}` in its place.
    """

    step: int
    prompt: str
    seed: int
    with_trigger: bool
    path: Path


@dataclass(frozen=True)
class TrainingPicture:
    """A picture that the run learns from, by its digest and file."""

    digest: str
    path: Path


@dataclass(frozen=True)
class WatchWarning:
    """Something that went wrong at a step. The three sentences are for a person, the facts for the record."""

    code: str
    step: int
    what: str
    why: str
    remedy: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What happened, why, and what to do."""
        return f"{self.what} {self.why} {self.remedy}"


@dataclass(frozen=True)
class Proposal:
    """The checkpoint to take, and the reason in plain words."""

    step: int
    why: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """All warnings in the order of steps, and the proposal; none without a checkpoint."""

    warnings: tuple[WatchWarning, ...]
    best: Proposal | None

    @property
    def best_step(self) -> int | None:
        """The step of the proposed checkpoint."""
        return self.best.step if self.best else None
