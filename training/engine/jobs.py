"""A training run from outside: what is handed in, what comes out, and how it is told to stop. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from training.engine.config import TrainConfig


@dataclass(frozen=True)
class BaseRef:
    """The base model: a folder in diffusers layout, or an id on the hub."""

    family: str
    location: str
    digest: str = ""
    """Of the base's weights: part of the cache's keys and of the file's provenance; computed here where it is empty."""
    device: str = "cpu"
    local_files_only: bool = True


@dataclass(frozen=True)
class Item:
    """One picture: a sound RGB file (PNG, JPEG, WebP) whose bytes have this digest."""

    path: Path
    caption: str
    digest: str
    repeats: int = 1
    is_prior: bool = False
    """A class picture: it is used only where `prior_weight` is above 0, and as often as the others."""


@dataclass(frozen=True)
class Job:
    """A whole run. Two jobs with equal config, base and items give equal weights on a CPU."""

    config: TrainConfig
    base: BaseRef
    items: tuple[Item, ...]
    validation: tuple[Item, ...]
    folder: Path
    """Checkpoints, samples and results; what lies there is gone on with."""
    cache: Path
    """Latents and text embeddings; runs may share it, even at the same time."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Facts for the header of the written files. `title`, `author`, `description`, `license` and `date` become
    ModelSpec's fields; `ss_…` and `modelspec.…` stay as they are; all others are written as `provenance.<name>`."""


class Control(StrEnum):
    """The answer to "go on?", which is asked before every step."""

    GO = "go"
    PAUSE = "pause"
    CANCEL = "cancel"


class State(StrEnum):
    """How a run ended; what failed is a TrainingError."""

    DONE = "done"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class WrittenAdapter:
    """A file that was written, loaded again and compared."""

    path: Path
    layout: str
    """kohya, lycoris, diffusers or embedding."""
    sha256: str
    step: int
    max_difference: float
    """Largest difference of an adapted module's output, as a share of the largest effect the adapter has on it."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to."""

    state: State
    files: tuple[WrittenAdapter, ...]
    steps_done: int
    seconds: float
    peak_memory_bytes: int
    """Of the GPU where there is one, else of the process."""
