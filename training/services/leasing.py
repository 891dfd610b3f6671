"""A run under a worker: taken by fair share, kept by heartbeats, given back, and healed by the sweep."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from governance.services import audited
from training.fair_share import next_run
from training.machines import machine_classes
from training.models import EventKind, Level, RunLease, TrainingRun
from training.models.runs import problem_of
from training.selectors.queue import ledger_for, waiting_in
from training.services.run_states import run_locked, run_log, run_move
from training.services.standing import run_obstacle, weights_missing
from training.states import HELD, RunState, Wanted

MAX_FRUITLESS = 3  # workers in a row that were gone before the run had a new checkpoint


class LeaseLost(Exception):
    """Another worker holds the run by now, or it has ended: whoever works on it leaves it alone."""


@audited()
def run_take(*, gpu_class: str, worker: str) -> TrainingRun | None:
    """The run that this worker does next, by fair share; None where none waits that may start.

    What may not go on any more is stopped here, before anything is spent on it.
    """
    while True:
        waiting = waiting_in(gpu_class)
        chosen = next_run(waiting, ledger_for(gpu_class, waiting), timezone.now().timestamp())
        if chosen is None:
            return None
        run = run_locked(TrainingRun(pk=chosen))
        if problem := run_obstacle(run):
            run_move(run=run, to=RunState.STOPPED, actor=None, problem=problem)
        elif problem := weights_missing(run):
            run_move(run=run, to=RunState.FAILED, actor=None, problem=problem)
        else:
            return _lease(run, worker)


def _lease(run: TrainingRun, worker: str) -> TrainingRun:
    now = timezone.now()
    run_move(
        run=run,
        to=RunState.RUNNING,
        actor=None,
        worker=worker[:100],
        lease_token=uuid.uuid4(),
        lease_until=now + settings.TRAINING_LEASE,
        leased_at=now,
        started_at=run.started_at or now,
        attempts=run.attempts + 1,
        fruitless=run.fruitless + 1,
        wanted=Wanted.NOTHING.value,
        phase="",
    )
    RunLease.objects.create(run=run, worker=worker[:100], from_step=run.checkpoint_step, started_at=now)
    return run


def held(run: TrainingRun) -> QuerySet[TrainingRun]:
    """The run while this worker holds it."""
    return TrainingRun.objects.filter(pk=run.pk, lease_token=run.lease_token, state__in=HELD)


def run_alive(run: TrainingRun) -> bool:
    """Renew the lease; False when it is another's by now."""
    return bool(held(run).update(lease_until=timezone.now() + settings.TRAINING_LEASE))


def run_asked(run: TrainingRun) -> Wanted:
    """What the worker is asked to do now; raises LeaseLost."""
    wanted = held(run).values_list("wanted", flat=True).first()
    if wanted is None:
        raise LeaseLost(str(run))
    return Wanted(wanted)


def run_progress(run: TrainingRun, **fields: Any) -> None:
    """Write down how far it is, and renew the lease; raises LeaseLost."""
    if not held(run).update(**fields, lease_until=timezone.now() + settings.TRAINING_LEASE):
        raise LeaseLost(str(run))


@audited()
def run_finish(*, run: TrainingRun, to: RunState, problem: dict[str, Any] | None = None, **fields: Any) -> TrainingRun:
    """This worker has come to the end of its work, in whatever way; raises LeaseLost where the run is another's.

    What somebody asked for meanwhile goes first: a run that was to be stopped is neither done nor queued again.
    """
    token = run.lease_token
    run = run_locked(run)
    if run.lease_token != token or run.state not in HELD:
        raise LeaseLost(str(run))
    to, problem = _bent(run, to, problem)
    return run_move(run=run, to=to, actor=None, problem=problem, **fields)


def _bent(run: TrainingRun, to: RunState, problem: dict[str, Any] | None) -> tuple[RunState, dict[str, Any] | None]:
    """Where the run goes instead, by what was asked of its worker."""
    wanted = Wanted(run.wanted)
    if wanted is Wanted.STOP:
        return RunState.STOPPED, run.problem
    if wanted is Wanted.CANCEL:
        return RunState.CANCELLED, None
    if wanted is Wanted.PAUSE and to is RunState.QUEUED and run.state == RunState.RUNNING:
        return RunState.PAUSED, None
    return to, problem


def run_broke_off(*, run: TrainingRun, error: BaseException) -> TrainingRun:
    """After an error that nobody foresaw it is handed out again; the last time it ends as failed."""
    run.refresh_from_db(fields=["fruitless"])
    if run.fruitless >= MAX_FRUITLESS:
        why = f"The last time it met an unexpected error ({type(error).__name__}), which is in the worker's log."
        return run_finish(run=run, to=RunState.FAILED, problem=_gave_up(why))
    # The kind of error only: its text can name folders of the server.
    problem = problem_of(
        code="broke-off",
        what="The worker met an unexpected error.",
        why=f"It is a {type(error).__name__}; the run goes on from its last checkpoint.",
        remedy="You need not do anything.",
    )
    return run_finish(run=run, to=RunState.QUEUED, problem=problem)


def _gave_up(why: str) -> dict[str, Any]:
    return problem_of(
        code="gave-up",
        what=f"The run broke off {MAX_FRUITLESS} times before it came to a new checkpoint.",
        why=why,
        remedy="Press “Try again”. If it breaks off again, tell the administrator the run's id.",
    )


def runs_heal(*, now: datetime | None = None) -> int:
    """Take runs from workers that are gone; how many there were."""
    now = now or timezone.now()
    lost = TrainingRun.objects.filter(state__in=HELD, lease_until__lt=now).order_by("lease_until", "pk")
    return sum(_heal(run, now) for run in lost[:50])


@audited()
def _heal(run: TrainingRun, now: datetime) -> bool:
    run = run_locked(run)
    if run.state not in HELD or run.lease_until is None or run.lease_until >= now:
        return False
    to, problem = _bent(run, RunState.QUEUED, None)
    if to is not RunState.QUEUED:
        run_move(run=run, to=to, actor=None, problem=problem)
    elif run.fruitless >= MAX_FRUITLESS:
        why = f"Its worker was gone each time; the last was {run.worker or 'unknown'}."
        run_move(run=run, to=RunState.FAILED, actor=None, problem=_gave_up(why))
    else:
        run_log(
            run,
            EventKind.MESSAGE,
            f"The worker {run.worker} is gone; another goes on from step {run.checkpoint_step}.",
            level=Level.WARNING,
            step=run.checkpoint_step,
        )
        run_move(run=run, to=RunState.QUEUED, actor=None)
    return True


def classes_due() -> list[str]:
    """Classes with a run that may start and a worker that is free, by what the settings say of their number."""
    due = []
    for name, machine in machine_classes().items():
        waiting = waiting_in(name)
        running = TrainingRun.objects.filter(gpu_class=name, state__in=HELD).count()
        if waiting and running < machine.workers:
            ledger = ledger_for(name, waiting)
            if next_run(waiting, ledger, timezone.now().timestamp()) is not None:
                due.append(name)
    return due


def others_wait(run: TrainingRun) -> bool:
    """Whether somebody else's run would start if this one let it."""
    waiting = [one for one in waiting_in(run.gpu_class) if one.owner != run.owner_id or one.user != run.created_by_id]
    return next_run(waiting, ledger_for(run.gpu_class, waiting), timezone.now().timestamp()) is not None


def checkpoint_reached(run: TrainingRun, step: int) -> None:
    """A new checkpoint: from here on it may break off three times once more."""
    held(run).filter(checkpoint_step__lt=step).update(checkpoint_step=step, fruitless=0)
