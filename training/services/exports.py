"""Chosen checkpoints that a worker writes as adapters: room for them, the lease on each, and what it cost."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from governance.services import audited
from training.errors import TrainingQuota
from training.models import EventKind, Level, RunFile, RunLease, TrainingRun
from training.selectors.queue import month_left
from training.services.run_states import RELATED, run_locked, run_log
from training.states import RunState

CHOOSABLE = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
PATIENCE = timedelta(minutes=2)  # after which a chosen checkpoint that nobody took is handed out once more
MAX_ATTEMPTS = 3
SWEEP = 20
FREE: dict[str, Any] = {"export_token": None, "export_until": None}


def exports_waiting() -> QuerySet[TrainingRun]:
    """Runs whose chosen checkpoint is not written yet."""
    written = RunFile.objects.filter(run=OuterRef("pk"), step=OuterRef("chosen_step"), removed_at=None)
    return TrainingRun.objects.filter(~Exists(written), state__in=CHOOSABLE, chosen_step__isnull=False)


def check_room(run: TrainingRun) -> None:
    """Raises TrainingQuota where the person has as many exports under way as may be, or no time on machines is left."""
    waiting = exports_waiting().filter(created_by=run.created_by_id).exclude(pk=run.pk).count()
    if waiting >= settings.TRAINING_EXPORTS_PER_USER:
        raise TrainingQuota(
            f"{waiting} chosen checkpoints wait to be written already, which is as many as may.",
            remedy="Wait until one of them is a draft.",
        )
    if month_left(run.owner) <= 0:
        raise TrainingQuota(f"The time of {run.owner} on the machines for 30 days is used up.")


@audited()
def export_claim(*, run: TrainingRun, step: int) -> TrainingRun | None:
    """The run under a lease of this worker; None where another one has it, or nothing is to be written any more."""
    locked, now = run_locked(run), timezone.now()
    if locked.chosen_step != step or not exports_waiting().filter(pk=run.pk).exists():
        return None
    if locked.export_until is not None and locked.export_until > now:
        return None
    if locked.export_attempts >= MAX_ATTEMPTS:
        _give_up(locked, step)
        return None
    lease = {"export_token": uuid.uuid4(), "export_until": now + settings.TRAINING_LEASE}
    TrainingRun.objects.filter(pk=run.pk).update(export_attempts=F("export_attempts") + 1, **lease)
    return TrainingRun.objects.select_related(*RELATED).get(pk=run.pk)


def _give_up(run: TrainingRun, step: int) -> None:
    text = (
        f"The checkpoint of step {step} could not be written: the work broke off {MAX_ATTEMPTS} times. Choose it once "
        "more; if it breaks off again, tell the administrator the run's id."
    )
    run_log(run, EventKind.RESULT, text, level=Level.ERROR, step=step, data={"code": "export-gave-up"})
    TrainingRun.objects.filter(pk=run.pk).update(chosen_step=None, export_attempts=0, **FREE)


def _held(run: TrainingRun) -> QuerySet[TrainingRun]:
    return TrainingRun.objects.filter(pk=run.pk, export_token=run.export_token, export_token__isnull=False)


def export_alive(run: TrainingRun) -> bool:
    """Renew the lease; False when it is another's by now."""
    return bool(_held(run).update(export_until=timezone.now() + settings.TRAINING_LEASE))


@audited()
def export_end(*, run: TrainingRun, seconds: float, refused: str = "", code: str = "") -> bool:
    """Give the lease back and charge the time; False where it is another worker's by now.

    With `refused` the checkpoint cannot be written at all: it is said in the log and is chosen no more.
    """
    now = timezone.now()
    if not _held(run).select_for_update(no_key=True).exists():
        return False
    changes: dict[str, Any] = {**FREE, "seconds": F("seconds") + seconds, "export_attempts": 0}
    if refused:
        run_log(run, EventKind.RESULT, refused, level=Level.ERROR, step=run.chosen_step, data={"code": code})
        changes["chosen_step"] = None
    _held(run).update(**changes)
    RunLease.objects.create(
        run=run, worker="export", from_step=run.chosen_step or 0, started_at=now - timedelta(seconds=seconds),
        ended_at=now, ended_as="export",
    )  # fmt: skip
    return True


def export_broke_off(run: TrainingRun) -> None:
    """After an error that nobody foresaw the sweep hands it out again; the attempt counts."""
    _held(run).update(**FREE)


def exports_due() -> list[TrainingRun]:
    """Runs whose chosen checkpoint nobody writes, because the message was lost or its worker is gone."""
    now = timezone.now()
    free = Q(export_until=None, chosen_at__lt=now - PATIENCE) | Q(export_until__lt=now)
    return list(exports_waiting().filter(free).order_by("chosen_at")[:SWEEP])
