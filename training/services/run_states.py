"""Moving a run from state to state: locked, checked against the table, in its log and on the audit log."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append
from training.errors import RunConflict
from training.models import EventKind, Level, RunEvent, RunLease, TrainingRun
from training.signals import run_queued
from training.states import ENDED, HELD, MEANINGS, RunState, Wanted, may_become

RELATED = (
    "owner__user",
    "owner__organisation",
    "created_by",
    "base_model",
    "snapshot__dataset__owner",
    "decision",
    "use_decision",
)


def run_locked(run: TrainingRun) -> TrainingRun:
    """The run as it stands now; of two people the second sees what the first did. Inside the caller's transaction."""
    TrainingRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    return TrainingRun.objects.select_related(*RELATED).get(pk=run.pk)


def run_log(
    run: TrainingRun,
    kind: EventKind,
    text: str,
    *,
    level: Level = Level.INFO,
    step: int | None = None,
    data: dict[str, Any] | None = None,
) -> RunEvent:
    """A line of the run's log."""
    return RunEvent.objects.create(run=run, kind=kind, level=level, step=step, text=text[:1000], data=data or {})


def run_move(
    *, run: TrainingRun, to: RunState, actor: User | None, problem: dict[str, Any] | None = None, **fields: Any
) -> TrainingRun:
    """Move a locked run inside the caller's transaction; raises RunConflict where the table forbids it."""
    current = RunState(run.state)
    if not may_become(current, to):
        raise RunConflict(f"The run is {current.value} and cannot become {to.value}. {MEANINGS[current]}")
    now = timezone.now()
    changes: dict[str, Any] = {"state": to.value, "problem": problem or {}, **fields}
    if current in HELD and to not in HELD:
        _end_lease(run, to, changes)
    if to is RunState.QUEUED:
        changes.setdefault("queued_at", now)
    if to in ENDED:
        changes["finished_at"] = now
    for name, value in changes.items():
        setattr(run, name, value)
    run.save(update_fields=list(changes))
    _tell(run, to, actor, problem)
    return run


def _end_lease(run: TrainingRun, to: RunState, changes: dict[str, Any]) -> None:
    """The worker's time ends now, or at its last sign of life where it is gone."""
    now = timezone.now()
    lease = RunLease.objects.filter(run=run, ended_at=None).first()
    ended = min(now, run.lease_until) if run.lease_until else now
    if lease is not None:
        ended = max(ended, lease.started_at)
        lease.ended_at, lease.ended_as = ended, to.value
        lease.save(update_fields=["ended_at", "ended_as"])
        changes["seconds"] = run.seconds + (ended - lease.started_at).total_seconds()
    changes |= {"lease_token": None, "lease_until": None, "leased_at": None, "wanted": Wanted.NOTHING.value}


def _tell(run: TrainingRun, to: RunState, actor: User | None, problem: dict[str, Any] | None) -> None:
    code = (problem or {}).get("code", "")
    bad = to in {RunState.FAILED, RunState.STOPPED}
    text = " ".join(filter(None, [(problem or {}).get("what"), (problem or {}).get("why")])) or MEANINGS[to]
    level = Level.ERROR if bad else Level.WARNING if problem else Level.INFO
    run_log(run, EventKind.STATE, text, level=level, step=run.step, data={"state": to.value, "code": code})
    audit_append(
        actor=actor,
        action=f"run.{to.value}",
        subject=("training.run", str(run.public_id)),
        data={"code": code, "step": run.step},
    )
    if to is RunState.QUEUED:
        gpu_class = run.gpu_class
        transaction.on_commit(lambda: run_queued.send(sender=TrainingRun, gpu_class=gpu_class))
