"""A worker's way with one run: take it, train it, write down what happens, and hand over what came of it.

Imported by workers only: the engine loads torch.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError, connection

from registry.leases import lease_kept
from training.engine import (
    BaseRef,
    Control,
    Item,
    Job,
    RunResult,
    State,
    TrainConfig,
    TrainingError,
    WrittenAdapter,
    export,
)
from training.engine.together import run_on
from training.errors import DatasetGone
from training.keeping import cache_folder, checkpoints_fetch, run_folder
from training.machines import machine_class
from training.models import TrainingRun
from training.models.runs import problem_of
from training.recorder import Recorder
from training.services.exports import export_alive, export_broke_off, export_claim, export_end
from training.services.leasing import (
    LeaseLost,
    others_wait,
    run_alive,
    run_asked,
    run_broke_off,
    run_finish,
    run_take,
)
from training.services.provenance import base_digest_keep, provenance_of
from training.services.recording import file_keep
from training.services.results import draft_try
from training.services.snapshots import SnapshotItem, snapshot_folder
from training.services.trained import trained_keep
from training.states import RunState, Wanted
from training.termination import told_to_end

log = logging.getLogger(__name__)
T = TypeVar("T")


def run_next(*, gpu_class: str, worker: str) -> bool:
    """Do the next run of a class, until it ends, pauses or is given back; False where none may start."""
    run = run_take(gpu_class=gpu_class, worker=worker)
    if run is None:
        return False
    with told_to_end() as told, lease_kept(renew=partial(run_alive, run), lifetime=settings.TRAINING_LEASE):
        try:
            _work(run, told)
        except LeaseLost:
            log.warning("The run %s is another worker's by now, or has ended.", run.public_id)
    return True


def _work(run: TrainingRun, told: threading.Event) -> None:
    try:
        result = _train(run, told)
    except TrainingError as error:
        problem = problem_of(code=error.code, what=error.what, why=error.why, remedy=error.remedy)
        run_finish(run=run, to=RunState.FAILED, problem=problem)
    except DatasetGone as error:
        what = "The run's pictures cannot be read any more."
        problem = problem_of(code=error.code, what=what, why=error.detail, remedy=error.remedy)
        run_finish(run=run, to=RunState.FAILED, problem=problem)
    except LeaseLost:
        raise
    except Exception as error:
        run_broke_off(run=run, error=error)
        raise
    else:
        _conclude(run, result)


def _train(run: TrainingRun, told: threading.Event) -> RunResult:
    checkpoints_fetch(run)
    _check_base(run)
    with snapshot_folder(run.snapshot) as items, Recorder(run, watched=_training(items)) as recorder:
        trained_keep(run, items)
        processes = machine_class(run.gpu_class).processes
        return run_on(_job(run, items), recorder, Steering(run, told), processes=processes)


def _check_base(run: TrainingRun) -> None:
    """Raises TrainingError where the base's weights are not those that the run began with."""
    if not base_digest_keep(run):
        raise TrainingError(
            "The run cannot go on.",
            f"The weights of {run.base_model.name} on this worker are not those that it began with.",
            "An administrator can put the former weights back; else start a new run.",
            "base-changed",
        )


def _training(items: list[SnapshotItem]) -> tuple[SnapshotItem, ...]:
    return tuple(item for item in items if not item.is_validation and not item.is_prior)


def _job(run: TrainingRun, items: list[SnapshotItem]) -> Job:
    return Job(
        config=TrainConfig.from_json(run.recipe),
        base=BaseRef(
            family=run.base_model.family,
            location=settings.BASE_MODEL_LOCATIONS[run.base_model.slug],
            digest=run.base_digest,
            device=machine_class(run.gpu_class).device,
        ),
        items=tuple(_item(item) for item in items if not item.is_validation),
        validation=tuple(_item(item) for item in items if item.is_validation),
        folder=run_folder(run),
        cache=cache_folder(run),
        provenance=provenance_of(run),
    )


def _item(item: SnapshotItem) -> Item:
    return Item(item.path, item.caption, item.digest, item.repeats, item.is_prior)


def _conclude(run: TrainingRun, result: RunResult) -> None:
    """What the engine came back with: done, or at a checkpoint because somebody asked for it."""
    memory = result.peak_memory_bytes
    if result.state is State.CANCELLED:
        run_finish(run=run, to=RunState.CANCELLED, peak_memory=memory)
    elif result.state is State.PAUSED:
        run_finish(run=run, to=RunState.QUEUED, fruitless=0, peak_memory=memory)  # or paused, if that was asked for
    else:
        _hand_over(run, result)


def _hand_over(run: TrainingRun, result: RunResult) -> None:
    run = _still(
        run_finish(run=run, to=RunState.FINISHING, step=result.steps_done, peak_memory=result.peak_memory_bytes)
    )
    _take_over(run, result.files)
    run = run_finish(run=run, to=RunState.DONE)
    if run.state == RunState.DONE:
        draft_try(run=run, step=result.files[-1].step)


def _still(run: TrainingRun) -> TrainingRun:
    """The run, if it goes on; somebody may have ended it at the last moment."""
    if run.state != RunState.FINISHING:
        raise LeaseLost(str(run))
    return run


class Steering:
    """The answer to "go on?" before every step."""

    def __init__(self, run: TrainingRun, told: threading.Event) -> None:
        self.run, self.told = run, told
        self.slice_ends = time.monotonic() + settings.TRAINING_SLICE.total_seconds()

    def __call__(self) -> Control:
        wanted = patiently(lambda: run_asked(self.run))
        if wanted in {Wanted.CANCEL, Wanted.STOP}:
            return Control.CANCEL
        if wanted is Wanted.PAUSE or self.told.is_set() or self._others_first():
            return Control.PAUSE
        return Control.GO

    def _others_first(self) -> bool:
        now = time.monotonic()
        if now < self.slice_ends:
            return False
        self.slice_ends = now + settings.TRAINING_LEASE.total_seconds()  # when to look again
        return patiently(lambda: others_wait(self.run))


def patiently(ask: Callable[[], T]) -> T:
    """Ask the database, again and again while it is away, for as long as the lease lasts."""
    end = time.monotonic() + settings.TRAINING_LEASE.total_seconds()
    while True:
        try:
            return ask()
        except OperationalError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def checkpoint_export(*, run: TrainingRun, step: int) -> None:
    """Write another checkpoint of a run as adapter files, under a lease, and make a draft of them."""
    claimed = export_claim(run=run, step=step)
    if claimed is None:
        return
    with lease_kept(renew=partial(export_alive, claimed), lifetime=settings.TRAINING_LEASE):
        _export(claimed, step)


def _export(run: TrainingRun, step: int) -> None:
    began = time.monotonic()
    try:
        checkpoints_fetch(run)
        _check_base(run)
        with snapshot_folder(run.snapshot) as items:
            files = export(_job(run, items), step)
        _take_over(run, files)
    except (TrainingError, DatasetGone) as error:
        text = str(error) if isinstance(error, TrainingError) else f"{error.detail} {error.remedy}"
        export_end(run=run, seconds=time.monotonic() - began, refused=text, code=error.code)
    except Exception:
        export_broke_off(run)
        raise
    else:
        if export_end(run=run, seconds=time.monotonic() - began):
            draft_try(run=run, step=step)


def _take_over(run: TrainingRun, files: Sequence[WrittenAdapter]) -> None:
    for written in files:
        file_keep(
            run,
            step=written.step,
            layout=written.layout,
            path=written.path,
            sha256=written.sha256,
            max_difference=written.max_difference,
        )
