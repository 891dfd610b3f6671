"""What a run's page shows: curves, samples beside the base's, checkpoints, recipe, cost, and what can be done."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from registry.selectors.visibility import Actor
from training.charts import LOW, Chart, curves, smoothed
from training.engine.presets.files import setting_defaults
from training.labels import LABELS
from training.models import PointKind, RunSample, TrainingRun
from training.permissions import RunPermission
from training.selectors.queue import place_of
from training.selectors.runs import run_permissions
from training.services.exports import CHOOSABLE, exports_waiting
from training.states import MEANINGS, RunState, Wanted

LOG_LINES = 200
AFTER_THE_END = timedelta(minutes=2)  # within which the draft of a run is made
COLUMNS = 8  # steps of the samples' grid that are shown at once, beside the base
TABLE_ROWS = 40  # of the curves as a table

BADGES = {
    RunState.DONE: "allow",
    RunState.FAILED: "deny",
    RunState.STOPPED: "deny",
    RunState.CANCELLED: "muted",
    RunState.DRAFT: "muted",
    RunState.PAUSED: "review",
}


@dataclass(frozen=True)
class Curves:
    """The drawings of a run, and the same in numbers."""

    loss: Chart | None
    rate: Chart | None
    rows: list[dict[str, Any]]


@dataclass
class GridRow:
    """One prompt and seed: the same noise at every step."""

    template: str
    prompt: str
    seed: int
    with_trigger: bool
    base: RunSample | None = None
    by_step: dict[int, RunSample] = field(default_factory=dict)
    cells: list[RunSample | None] = field(default_factory=list)


@dataclass(frozen=True)
class Grid:
    """Samples: a row for each prompt, seed and trigger; a column for each step."""

    steps: list[int]
    rows: list[GridRow]


def run_badge(state: str) -> str:
    """The kind of badge for a run's state."""
    return BADGES.get(RunState(state), "info")


def run_page(*, actor: Actor, run: TrainingRun) -> dict[str, Any]:
    """Everything about one run that the actor may see."""
    granted = run_permissions(actor, run)
    return {
        "run": run,
        "state_meaning": MEANINGS[RunState(run.state)],
        "badge": run_badge(run.state),
        "is_live": run.is_unfinished or _awaits_result(run),
        "place": place_of(run),
        "problem": run.problem,
        "may_steer": RunPermission.STEER in granted,
        "may_publish": RunPermission.PUBLISH in granted,
        "may_review": RunPermission.REVIEW in granted and isinstance(actor, User),
        **_time_and_cost(run),
        **_buttons(run, granted),
    }


def _awaits_result(run: TrainingRun) -> bool:
    """Whether a draft is still to come of a run that has ended: its own, or that of a checkpoint that was chosen."""
    if exports_waiting().filter(pk=run.pk).exists():
        return True
    fresh = run.finished_at is not None and timezone.now() - run.finished_at < AFTER_THE_END
    return fresh and run.state == RunState.DONE and not run.results.exists()


def _time_and_cost(run: TrainingRun) -> dict[str, Any]:
    now = timezone.now()
    return {
        "seconds_used": run.seconds_used(now),
        "seconds_left": run.seconds_left,
        "cost": run.cost,
        "estimate_cost": run.estimate_cost,
        "is_free": not run.tariff,
    }


def _buttons(run: TrainingRun, granted: frozenset[RunPermission]) -> dict[str, bool]:
    steer, state = RunPermission.STEER in granted, RunState(run.state)
    ending = run.wanted in {Wanted.CANCEL, Wanted.STOP}
    running = state is RunState.RUNNING
    return {
        "can_start": steer and state is RunState.DRAFT and decided_well(run),
        "can_recheck": steer and state is RunState.DRAFT and not decided_well(run),
        "can_pause": steer and not ending and (state is RunState.QUEUED or (running and not run.wanted)),
        "can_resume": steer and not ending and (state is RunState.PAUSED or (running and run.wanted == Wanted.PAUSE)),
        "can_cancel": steer and not ending and not run.has_ended | (state is RunState.FAILED),
        "can_retry": steer and state is RunState.FAILED,
        "can_choose": steer and state in CHOOSABLE,
    }


def decided_well(run: TrainingRun) -> bool:
    """Whether both decisions allow it."""
    return all(record is not None and record.outcome == "allow" for record in (run.decision, run.use_decision))


def curves_of(run: TrainingRun) -> Curves:
    """Loss of training and validation, and the learning rate."""
    points = run.points.order_by("step")
    training = list(points.filter(kind=PointKind.TRAINING).values_list("step", "loss", "learning_rate"))
    validation = list(points.filter(kind=PointKind.VALIDATION).values_list("step", "loss"))
    losses = [(step, loss) for step, loss, _ in training]
    marks = [found["step"] for found in run.warnings]
    series = [
        ("Training, each step", "raw", losses),
        ("Training, smoothed", "training", smoothed(losses)),
        ("Validation", "validation", validation),
    ]
    rates = [(step, rate) for step, _, rate in training if rate is not None]
    return Curves(
        loss=curves(series, last=run.steps, marks=marks),
        rate=curves([("Learning rate", "rate", rates)], last=run.steps, height=LOW),
        rows=_table(losses, dict(validation), dict(rates)),
    )


def _table(
    losses: list[tuple[int, float]], validation: dict[int, float], rates: dict[int, float]
) -> list[dict[str, Any]]:
    """The curves in numbers: every validation, and training thinned to what a person reads."""
    smooth = dict(smoothed(losses))
    steps = sorted(smooth)
    every = max(len(steps) // TABLE_ROWS, 1)
    shown = sorted({*steps[::every], *steps[-1:], *validation})
    return [
        {"step": step, "training": smooth.get(step), "validation": validation.get(step), "rate": rates.get(step)}
        for step in shown
    ]


def samples_grid(run: TrainingRun, *, only: Iterable[int] | None = None) -> Grid:
    """Samples by prompt; the steps that are shown are spread over the run, or those that are asked for."""
    rows: dict[tuple[str, int, bool], GridRow] = {}
    for sample in run.samples.all():
        key = (sample.template, sample.seed, sample.with_trigger)
        row = rows.setdefault(key, GridRow(sample.template, sample.prompt, sample.seed, sample.with_trigger))
        if sample.step == 0:
            row.base = sample
        else:
            row.by_step[sample.step] = sample
    drawn = sorted({step for row in rows.values() for step in row.by_step})
    steps = _spread(drawn) if only is None else _last_before(drawn, only)
    for row in rows.values():
        row.cells = [row.by_step.get(step) for step in steps]
    return Grid(steps, sorted(rows.values(), key=lambda row: (row.template, row.seed, not row.with_trigger)))


def _last_before(drawn: list[int], asked: Iterable[int]) -> list[int]:
    """For each step that is asked for the one whose samples it is judged by: its own, or the last before it."""
    before = [[step for step in drawn if step <= one] for one in asked]
    return sorted({steps[-1] for steps in before if steps})


def _spread(steps: list[int]) -> list[int]:
    """At most `COLUMNS` of them, the last among them."""
    if len(steps) <= COLUMNS:
        return steps
    last = len(steps) - 1
    return sorted({steps[round(last * place / (COLUMNS - 1))] for place in range(COLUMNS)})


def checkpoints_of(run: TrainingRun, *, removed: bool = False) -> list[dict[str, Any]]:
    """The checkpoints that are there (or all), each with the losses near it and what was made of it."""
    rows = run.checkpoints.all() if removed else run.checkpoints.filter(removed_at=None, step__gt=0)
    points = list(run.points.order_by("step"))
    versions = {
        result.step: result.version for result in run.results.select_related("version__adapter__owner").order_by("pk")
    }
    found = []
    for checkpoint in rows:
        found.append(
            {
                "checkpoint": checkpoint,
                "training": _near(points, PointKind.TRAINING, checkpoint.step),
                "validation": _near(points, PointKind.VALIDATION, checkpoint.step),
                "proposed": run.best_step == checkpoint.step,
                "chosen": run.chosen_step == checkpoint.step,
                "version": versions.get(checkpoint.step),
                "warnings": [one for one in run.warnings if one["step"] <= checkpoint.step],
            }
        )
    return found


def _near(points: list[Any], kind: PointKind, step: int) -> float | None:
    """The loss at the step, or at the last one before it; training's is the mean of ten."""
    before = [point.loss for point in points if point.kind == kind and point.step <= step]
    last = before[-10:] if kind is PointKind.TRAINING else before[-1:]
    return sum(last) / len(last) if last else None


def recipe_rows(run: TrainingRun) -> list[dict[str, Any]]:
    """Every setting with its name, its value, and why the preset has it; what was changed says so."""
    flat = flattened(run.recipe)
    return [
        {
            "name": name,
            "label": LABELS.get(name, name),
            "value": shown(value),
            "why": run.reasons.get(name, ""),
        }
        for name, value in flat.items()
        if name in setting_defaults()
    ]


def flattened(recipe: dict[str, Any]) -> dict[str, Any]:
    """Settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in recipe.items():
        found |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


def shown(value: Any) -> str:
    """A setting's value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
