"""What the engine tells, written down: at most once a second while it steps, at once where it matters."""

import time
from collections.abc import Callable, Sequence
from functools import singledispatchmethod
from types import TracebackType
from typing import Any, Self

from training.engine import (
    CheckpointSaved,
    Event,
    MemoryHalved,
    Message,
    NotFinite,
    Phase,
    Sampled,
    Step,
    Validation,
    Verified,
)
from training.keeping import checkpoints_push
from training.models import EventKind, Level, PointKind, RunPoint, TrainingRun
from training.services.leasing import run_progress
from training.services.recording import checkpoint_keep, points_keep, sample_keep
from training.services.run_states import run_log
from training.services.snapshots import SnapshotItem
from training.services.watching import watch_run

SECONDS_BETWEEN_REPORTS = 1.0
PHASES = {
    "load": "Loading the base model",
    "latents": "Encoding the pictures",
    "text": "Encoding the captions",
    "train": "Training",
    "write": "Writing and comparing the adapter",
    "sample": "Drawing samples",
}
LEVELS = {"info": Level.INFO, "warning": Level.WARNING, "error": Level.ERROR}


class Recorder:
    """The engine's `on_event`. Points are kept in memory between two reports and written in one go."""

    def __init__(
        self, run: TrainingRun, *, watched: Sequence[SnapshotItem] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run, self.watched, self.clock = run, watched, clock
        self.points: list[RunPoint] = []
        self.progress: dict[str, Any] = {}
        self.last = clock() - SECONDS_BETWEEN_REPORTS
        self.pace = 0.0  # seconds of a step, smoothed
        self.sampled: int | None = None  # the step of the newest samples
        self.fresh = False  # samples or a validation that the watch has not seen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._watch()
            self.flush()

    def __call__(self, event: Event) -> None:
        self._take(event)

    def flush(self) -> None:
        """Write what is waiting, and renew the lease."""
        points, self.points = self.points, []
        if points:
            points_keep(self.run, points)
        run_progress(self.run, **self.progress)
        self.progress = {}
        self.last = self.clock()

    def _flush_sometimes(self) -> None:
        if self.clock() - self.last >= SECONDS_BETWEEN_REPORTS:
            self.flush()

    def _say(self, kind: EventKind, text: str, level: Level = Level.INFO, **about: Any) -> None:
        run_log(self.run, kind, text, level=level, **about)

    @singledispatchmethod
    def _take(self, event: Any) -> None:
        raise TypeError(f"The engine told of a {type(event).__name__}, which nobody here knows.")

    @_take.register
    def _(self, event: Phase) -> None:
        if self.progress.get("phase", self.run.phase) != event.name:
            self.run.phase = event.name
            self._say(EventKind.PHASE, PHASES.get(event.name, event.name), data={"phase": event.name})
        self.progress |= {"phase": event.name, "phase_done": event.done, "phase_total": event.total}
        self._flush_sometimes()

    @_take.register
    def _(self, event: Step) -> None:
        self._watch()
        self.pace = event.seconds if not self.pace else 0.9 * self.pace + 0.1 * event.seconds
        self.points.append(
            RunPoint(
                run=self.run,
                kind=PointKind.TRAINING,
                step=event.step,
                loss=event.loss,
                learning_rate=event.learning_rate,
                grad_norm=event.grad_norm,
            )
        )
        self.progress |= {"step": event.step, "step_seconds": self.pace}
        self._flush_sometimes()

    @_take.register
    def _(self, event: Validation) -> None:
        bands = [[name, loss] for name, loss in event.bands.items()]
        point = RunPoint(run=self.run, kind=PointKind.VALIDATION, step=event.step, loss=event.loss, bands=bands)
        self.points.append(point)
        self.fresh = True
        self.flush()

    @_take.register
    def _(self, event: Sampled) -> None:
        sample_keep(
            self.run,
            step=event.step,
            prompt=event.prompt,
            seed=event.seed,
            with_trigger=event.with_trigger,
            path=event.path,
        )
        if self.sampled != event.step:
            self.sampled = event.step
            words = f"Samples at step {event.step}." if event.step else "The base's own pictures."
            self._say(EventKind.SAMPLE, words, step=event.step)
        self.fresh = True
        self._flush_sometimes()

    @_take.register
    def _(self, event: CheckpointSaved) -> None:
        self.flush()
        checkpoints_push(self.run)
        checkpoint_keep(self.run, step=event.step, path=event.path)

    @_take.register
    def _(self, event: MemoryHalved) -> None:
        text = (
            f"The memory was not enough, so it goes on with {event.batch} pictures at a time and "
            f"{event.accumulation} such batches in a step. {event.why}"
        )
        self._say(EventKind.MEMORY, text, Level.WARNING, step=event.step)

    @_take.register
    def _(self, event: NotFinite) -> None:
        text = f"The training diverged; step {event.last_good} is the last good checkpoint. {event.why}"
        self._say(EventKind.MESSAGE, text, Level.ERROR, step=event.step, data={"last_good": event.last_good})

    @_take.register
    def _(self, event: Verified) -> None:
        text = f"{event.path.name} was read back: its effect differs by {event.max_difference:.2e} at most."
        self._say(EventKind.RESULT, text, data={"max_difference": event.max_difference})

    @_take.register
    def _(self, event: Message) -> None:
        self._say(EventKind.MESSAGE, event.text, LEVELS.get(event.level, Level.INFO))

    def _watch(self) -> None:
        """Let the overfit watch look at what is new, once the samples of a step are all there."""
        if not self.fresh:
            return
        self.fresh = False
        self.flush()
        watch_run(self.run, self.watched)
