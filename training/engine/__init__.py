"""The trainer: adapters of every kind on every base family, torch without Django.

What needs no torch is here at once; `run`, `export` and `estimate` load their module when they are first asked for, so
that the web process can speak of runs without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.engine.config import TrainConfig
from training.engine.errors import TrainingError
from training.engine.events import (
    CheckpointSaved,
    Event,
    MemoryHalved,
    Message,
    NotFinite,
    OnEvent,
    Phase,
    Sampled,
    Step,
    Validation,
    Verified,
)
from training.engine.jobs import BaseRef, Control, Item, Job, RunResult, State, WrittenAdapter

if TYPE_CHECKING:
    from training.engine.estimates import Estimate, estimate
    from training.engine.running import export, run

_LATER = {
    "run": "training.engine.running",
    "export": "training.engine.running",
    "estimate": "training.engine.estimates",
    "Estimate": "training.engine.estimates",
}

__all__ = [
    "BaseRef",
    "CheckpointSaved",
    "Control",
    "Estimate",
    "Event",
    "Item",
    "Job",
    "MemoryHalved",
    "Message",
    "NotFinite",
    "OnEvent",
    "Phase",
    "RunResult",
    "Sampled",
    "State",
    "Step",
    "TrainConfig",
    "TrainingError",
    "Validation",
    "Verified",
    "WrittenAdapter",
    "estimate",
    "export",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
