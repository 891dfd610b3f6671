"""A run at work: what setup put together, where it stands, and how its state goes into a checkpoint and comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from training.engine.checkpoints import Checkpoint, CheckpointFolder, Torn, finite, joined, split
from training.engine.config import Precision, TrainConfig
from training.engine.encoding import Encoder
from training.engine.errors import TrainingError
from training.engine.events import CheckpointSaved, Event, Message, OnEvent
from training.engine.families import Family
from training.engine.jobs import Control, Job
from training.engine.losses import Lessons
from training.engine.networks import Network
from training.engine.optimizers import Average
from training.engine.pictures import Picture
from training.engine.places import Place
from training.engine.sampler import Position, Sampler

# What may differ between a run and the run that wrote its checkpoints: it decides nothing about the weights.
_FREE = ("samples", "checkpoint_every", "keep_checkpoints", "validate_every")


class Stopped(Exception):
    """The run was told to pause or to end while it was not between two steps."""

    def __init__(self, asked: Control) -> None:
        super().__init__(asked)
        self.asked = asked


@dataclass
class Session:
    """Everything the loop works with."""

    job: Job
    place: Place
    family: Family
    network: Network
    encoder: Encoder
    pictures: list[Picture]
    validation: list[Picture]
    sampler: Sampler
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    average: Average | None
    checkpoints: CheckpointFolder
    on_event: OnEvent
    control: Callable[[], Control]
    micro: int
    """Pictures that are computed at once; halved where the memory does not suffice."""
    step: int = 0
    position: Position = field(default_factory=Position)
    saved: int = -1
    """The step of the latest good checkpoint; -1 where there is none."""

    @property
    def config(self) -> TrainConfig:
        return self.job.config

    @property
    def lessons(self) -> Lessons:
        return Lessons(self.config, self.family, self.encoder, self.place)

    def tell(self, event: Event) -> None:
        """Events leave one process only."""
        if self.place.is_main:
            self.on_event(event)

    def asked(self) -> Control:
        """What is wished of the run; all processes take the answer of the strictest."""
        order = list(Control)
        return order[self.place.agreed(order.index(self.control()))]

    def values(self) -> Mapping[str, Tensor]:
        """The weights that count: the average where there is one."""
        return self.network.parameters() if self.average is None else self.average.values

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with the weights that count, for a while."""
        if self.average is None:
            yield
            return
        own = {name: value.detach().clone() for name, value in self.network.parameters().items()}
        self.network.load(self.average.values)
        try:
            yield
        finally:
            self.network.load(own)


def identity(job: Job) -> str:
    """A digest of all that decides the weights: a checkpoint is only for the same run."""
    config = {name: value for name, value in job.config.to_json().items() if name not in _FREE}
    items = [(one.digest, one.caption, one.repeats, one.is_prior) for one in job.items]
    base = job.base.digest or job.base.location
    text = json.dumps([config, items, base], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def make_scaler(place: Place) -> torch.amp.GradScaler:
    """fp16's gradients are scaled up, so that small ones do not vanish; other formats need none."""
    return torch.amp.GradScaler(place.device.type, enabled=place.precision == Precision.FP16)


def save_checkpoint(run: Session) -> None:
    """Write the state behind the current step, unless it is there. Raises TrainingError for weights not finite."""
    if run.saved == run.step:
        return
    weights = dict(run.network.parameters())
    if not finite(weights):
        raise TrainingError(
            "The weights are not finite any more.",
            f"After step {run.step} at least one of them is NaN or infinite.",
            "Go on from an earlier checkpoint with a lower learning rate.",
            "not-finite",
        )
    if run.place.is_main:
        path = run.checkpoints.save(Checkpoint(run.step, _facts(run), _tensors(run, weights)))
        run.checkpoints.keep(run.config.keep_checkpoints)
        run.tell(CheckpointSaved(run.step, path))
    run.saved = run.step
    run.place.wait()


def _tensors(run: Session, weights: Mapping[str, Tensor]) -> dict[str, Mapping[str, Tensor]]:
    found: dict[str, Mapping[str, Tensor]] = {
        "adapter": weights,
        "optimizer": split(run.optimizer.state_dict())[1],
    }
    return found if run.average is None else {**found, "average": run.average.values}


def _facts(run: Session) -> dict[str, Any]:
    return {
        "run": identity(run.job),
        "position": asdict(run.position),
        "micro": run.micro,
        "scaler": run.scaler.state_dict(),
        "optimizer": split(run.optimizer.state_dict())[0],
    }


def resume(run: Session, at: int | None = None) -> None:
    """Go on from the latest whole checkpoint, if there is one; or from that of step `at`.

    Raises TrainingError where it is of another run, or where there is none of the step that was asked for.
    """
    for step in run.checkpoints.steps() if at is None else [at]:
        try:
            found = run.checkpoints.read(step)
        except FileNotFoundError as error:
            raise _no_checkpoint(step, f"{error.filename or error} is not there") from error
        except Torn as error:
            if at is not None:
                raise _no_checkpoint(step, f"{error}") from error
            run.tell(Message("warning", f"Checkpoint {step} is damaged ({error}); the one before is used."))
            continue
        _refuse_foreign(run, found)
        _restore(run, found)
        return


def _no_checkpoint(step: int, why: str) -> TrainingError:
    return TrainingError(
        f"There is no usable checkpoint of step {step}.",
        f"{why}.",
        "Choose another checkpoint of the run.",
        "checkpoint-missing",
    )


def _refuse_foreign(run: Session, found: Checkpoint) -> None:
    if found.facts["run"] != identity(run.job):
        raise TrainingError(
            "The run cannot go on from its checkpoint.",
            f"The checkpoint of step {found.step} was made with other settings, pictures or another base model.",
            "Start a new run, or set everything as it was.",
            "checkpoint-foreign",
        )


def _restore(run: Session, found: Checkpoint) -> None:
    run.network.load(found.tensors["adapter"])
    run.optimizer.load_state_dict(joined(found.facts["optimizer"], found.tensors["optimizer"]))
    if run.average is not None:
        run.average.load(found.tensors["average"])
    run.scaler.load_state_dict(found.facts["scaler"])
    run.position = Position(**found.facts["position"])
    run.micro = int(found.facts["micro"])
    run.step = run.saved = found.step
