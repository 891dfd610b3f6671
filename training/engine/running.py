"""The trainer from outside: `run` a job from wherever it stands, `export` one of its checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable

from training.engine.errors import TrainingError
from training.engine.events import OnEvent
from training.engine.jobs import Control, Job, RunResult, State, WrittenAdapter
from training.engine.loop import train
from training.engine.memory import memory_told
from training.engine.results import write_results
from training.engine.session import Session, Stopped, save_checkpoint
from training.engine.setup import setup

_ENDS = {Control.PAUSE: State.PAUSED, Control.CANCEL: State.CANCELLED}


def run(job: Job, on_event: OnEvent, control: Callable[[], Control]) -> RunResult:
    """Train, from the beginning or from the latest whole checkpoint in the job's folder, and write the result.

    `control` is asked before every step and between pictures that are encoded or drawn. Raises TrainingError where the
    run cannot start or go on; its checkpoints stay, and `export` makes a result of each.
    """
    began = time.monotonic()
    try:
        session = setup(job, on_event, control)
    except Stopped as stopped:
        return RunResult(_ENDS[stopped.asked], (), 0, time.monotonic() - began, 0)
    try:
        with memory_told("while it trained"):
            asked = train(session)
        if asked is not Control.CANCEL:
            save_checkpoint(session)
        files = _written(session) if asked is Control.GO else ()
        state = _ENDS.get(asked, State.DONE)
        return RunResult(state, files, session.step, time.monotonic() - began, session.place.peak_memory())
    finally:
        cleanup(session)


def export(job: Job, step: int, on_event: OnEvent | None = None) -> tuple[WrittenAdapter, ...]:
    """Write another checkpoint of the run as the result. Raises TrainingError where there is none of this step."""
    session = setup(job, on_event or _silent, _go, at=step)
    try:
        return _written(session)
    finally:
        cleanup(session)


def _written(session: Session) -> tuple[WrittenAdapter, ...]:
    with memory_told("while the adapter was written, read back and compared"):
        return write_results(session)


def cleanup(session: Session) -> None:
    """Give the base its layers back, and the memory to the next run."""
    session.network.remove()
    session.place.forget()


def _silent(event: object) -> None:
    """An export has nobody to tell."""


def _go() -> Control:
    return Control.GO


__all__ = ["TrainingError", "export", "run"]
