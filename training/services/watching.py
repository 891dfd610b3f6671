"""The overfit watch over a run: shown what is stored of it, and what it says written down. Imported by workers only."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack

from registry.storage import local_copy
from training.engine.watch import History, Judgement, Sample, TrainingPicture, judge
from training.models import EventKind, Level, PointKind, RunPoint, TrainingRun
from training.services.recording import warnings_keep
from training.services.run_states import run_log
from training.services.snapshots import SnapshotItem

log = logging.getLogger(__name__)


def watch_run(run: TrainingRun, pictures: Sequence[SnapshotItem]) -> None:
    """Judge the run so far. A watch that breaks says so in the run's log, and the run goes on."""
    try:
        found = _judged(run, pictures)
    except (OSError, ValueError, ArithmeticError) as error:
        log.exception("The overfit watch of run %s failed", run.public_id)
        text = f"The overfit watch could not look at this step ({type(error).__name__}); nothing is said about it."
        run_log(run, EventKind.WATCH, text, level=Level.WARNING, step=run.step, data={"code": "watch-failed"})
        return
    warnings = [
        {
            "code": one.code,
            "step": one.step,
            "what": one.what,
            "why": one.why,
            "remedy": one.remedy,
            "message": one.message,
            "facts": dict(one.facts),
        }
        for one in found.warnings
    ]
    best = found.best
    proposal = {"step": best.step, "why": best.why} if best else {}
    warnings_keep(run, warnings, proposal)


def _judged(run: TrainingRun, pictures: Sequence[SnapshotItem]) -> Judgement:
    points = RunPoint.objects.filter(run=run)
    history = History(
        losses=tuple(points.filter(kind=PointKind.TRAINING).values_list("step", "loss")),
        validations=tuple(points.filter(kind=PointKind.VALIDATION).values_list("step", "loss")),
        checkpoints=tuple(run.checkpoints.filter(removed_at=None, step__gt=0).values_list("step", flat=True)),
    )
    with ExitStack() as stack:
        samples = [
            Sample(row.step, row.template, row.seed, row.with_trigger, stack.enter_context(local_copy(row.storage_key)))
            for row in run.samples.all()
        ]
        own = [TrainingPicture(item.digest, item.path) for item in pictures]
        held = run.snapshot.prior > 0 and run.recipe["data"]["prior_weight"] > 0
        return judge(history, samples, own, class_pictures=held)
