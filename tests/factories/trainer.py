"""Training jobs on tiny random bases, for the trainer's tests."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from training.engine import BaseRef, Control, Event, Item, Job, RunResult, run
from training.engine.config import AdapterConfig, DataConfig, OptimConfig, SampleConfig, TrainConfig

SIZES = ((48, 48), (48, 48), (64, 40), (40, 64), (48, 48), (48, 48))


def make_items(folder: Path, count: int = 4, *, prior: int = 0) -> tuple[Item, ...]:
    """Random pictures of a few shapes; the last `prior` of them are class pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        width, height = SIZES[number % len(SIZES)]
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        is_prior = number >= count - prior
        caption = "a red circle, square" if is_prior else f"sks, a blue circle, style, on white {number}"
        found.append(Item(path, caption, digest, repeats=1 + number % 2, is_prior=is_prior))
    return tuple(found)


def config(family: str = "sd1", **changes: Any) -> TrainConfig:
    """A recipe of a few steps that ends in seconds; `changes` by section name or field."""
    plain = TrainConfig(
        family=family,
        trigger="sks",
        steps=3,
        seed=5,
        checkpoint_every=1,
        validate_every=0,
        adapter=AdapterConfig(rank=2, alpha=1.0),
        data=DataConfig(resolution=32, bucket_step=8, batch=2),
        optim=OptimConfig(learning_rate=1e-2, warmup_steps=0),
        samples=SampleConfig(every=0, steps=2, width=32, height=32),
    )
    for name, value in changes.items():
        value = replace(getattr(plain, name), **value) if isinstance(value, dict) else value
        plain = replace(plain, **{name: value})
    return plain


@dataclass
class Trial:
    """One job that can be run again and again, with all its events."""

    job: Job
    events: list[Event] = field(default_factory=list)

    def run(self, control: Callable[[], Control] = lambda: Control.GO) -> RunResult:
        torch.set_num_threads(1)
        return run(self.job, self.events.append, control)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def weights(self, step: int) -> dict[str, Tensor]:
        """The adapter in the checkpoint of a step."""
        return load_file(self.job.folder / "checkpoints" / f"step-{step:08d}" / "adapter.safetensors")


def stopping_at(step: int, trial: Trial, how: Control = Control.PAUSE) -> Callable[[], Control]:
    """A control that asks to stop once so many steps are told."""
    from training.engine import Step

    return lambda: how if any(one.step >= step for one in trial.of(Step)) else Control.GO


def trial(base: Path, folder: Path, recipe: TrainConfig, items: tuple[Item, ...], **changes: Any) -> Trial:
    job = Job(recipe, BaseRef(recipe.family, str(base)), items, (), folder / "run", folder / "cache")
    return Trial(replace(job, **changes))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
