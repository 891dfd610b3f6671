"""What a run says while it works. After a restart, steps behind the last checkpoint are told again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Phase:
    """Progress of the work before and after the steps: `load`, `latents`, `text`, `write`; and `train` at its start."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Step:
    """One step of the optimizer; steps count from 1."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float


@dataclass(frozen=True)
class Validation:
    """The loss on the validation pictures, at the same timesteps and noise each time."""

    step: int
    loss: float
    bands: Mapping[str, float]
    """The loss for each quarter of the noise levels, from `0-25` (little noise) to `75-100`."""


@dataclass(frozen=True)
class Sampled:
    """A sample picture. Those of step 0 are the base's own, without the adapter."""

    step: int
    prompt: str
    seed: int
    with_trigger: bool
    path: Path


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint is on disk, whole."""

    step: int
    path: Path


@dataclass(frozen=True)
class MemoryHalved:
    """The memory was not enough: the run goes on with smaller micro-batches, and more of them."""

    step: int
    batch: int
    accumulation: int
    why: str


@dataclass(frozen=True)
class NotFinite:
    """The loss or the gradient became NaN or infinite; the run ends at its last good checkpoint."""

    step: int
    last_good: int
    why: str


@dataclass(frozen=True)
class Verified:
    """A written file was loaded again and acts as the trained network does."""

    path: Path
    max_difference: float


@dataclass(frozen=True)
class Message:
    """Something a person should know: `info` or `warning`."""

    level: str
    text: str


Event = Phase | Step | Validation | Sampled | CheckpointSaved | MemoryHalved | NotFinite | Verified | Message
OnEvent = Callable[[Event], None]
