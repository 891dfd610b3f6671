"""Runs: prepared and decided about, started, paused, resumed, cancelled, tried again, and decided by a person."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.errors import NotPermitted
from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import audit_append, audited, decision_override
from registry.errors import ConflictOfInterest
from registry.models import Adapter, BaseModel
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions, membership_role
from registry.services.adapters import NAME_PATTERN
from training.engine.checks import Device, Situation, problems, refused
from training.engine.config import TrainConfig
from training.engine.estimates import Estimate, estimate
from training.errors import RecipeRefused, RunConflict, RunNotAllowed, TrainingQuota
from training.machines import MachineClass, machine_classes
from training.models import Dataset, DatasetSnapshot, EventKind, Priority, TrainingRun
from training.services.run_states import run_locked, run_log, run_move
from training.services.snapshots import snapshot_take
from training.services.standing import INTENDED, allowed, run_decide, run_obstacle, subject_of, weights_missing
from training.states import RunState, Wanted

CLOSED = (RunState.QUEUED, RunState.PAUSED, RunState.FAILED, RunState.DRAFT)  # nobody works on it at this moment


@dataclass(frozen=True)
class RunPlan:
    """What somebody wants to have trained. The run belongs to the owner of the dataset."""

    dataset: Dataset
    base_model: BaseModel
    config: TrainConfig
    adapter_name: str
    intended_use: str
    gpu_class: str
    purpose: str = "style"
    title: str = ""
    priority: int = Priority.NORMAL
    reasons: Mapping[str, str] = field(default_factory=dict)


@audited()
def run_prepare(*, actor: User, plan: RunPlan) -> TrainingRun:
    """Check the plan, take a snapshot of the dataset, and put the decision on record; the run is a draft then.

    Raises RecipeRefused (with `errors` by setting), SnapshotRefused, DatasetGone or NotPermitted. A refusal by the
    policy engine is no error: the run shows it, and cannot be started.
    """
    _check_place(actor, plan)
    machine = _machine(plan)
    snapshot = snapshot_take(dataset=plan.dataset, actor=actor)
    check_recipe(config=plan.config, snapshot=snapshot, machine=machine)
    run = _draft(actor, plan, snapshot, machine)
    if problem := weights_missing(run):
        raise RecipeRefused(
            f"{problem['what']} {problem['why']}", remedy=problem["remedy"], errors={"base_model": [problem["why"]]}
        )
    run_decide(run, actor=actor)
    run.save()
    data = {"recipe": run.recipe_digest, "dataset": snapshot.digest, "base": plan.base_model.slug}
    audit_append(actor=actor, action="run.prepared", subject=subject_of(run)[:2], data=data)
    return run


def _check_place(actor: User, plan: RunPlan) -> None:
    errors: dict[str, list[str]] = {}
    if not NAME_PATTERN.match(plan.adapter_name):
        errors["adapter_name"] = [
            "Use up to 60 lower-case letters and digits, with single hyphens, dots or underscores inside."
        ]
    if plan.intended_use not in set(INTENDED):
        errors["intended_use"] = [f"Choose one of: {', '.join(INTENDED)}."]
    if plan.gpu_class not in machine_classes():
        errors["gpu_class"] = [f"Choose one of: {', '.join(machine_classes())}."]
    if plan.config.family != plan.base_model.family:
        errors["base_model"] = [f"The recipe is for {plan.config.family}, the base is of {plan.base_model.family}."]
    if errors:
        raise RecipeRefused("Something in the plan cannot be so.", errors=errors)
    adapter = Adapter.objects.filter(owner=plan.dataset.owner, name=plan.adapter_name).select_related("owner").first()
    if adapter is not None and AdapterPermission.CONTRIBUTE not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not add versions to {adapter}.")


def _machine(plan: RunPlan) -> MachineClass:
    return machine_classes()[plan.gpu_class]


def situation_of(*, snapshot: DatasetSnapshot, machine: MachineClass | None) -> Situation:
    """What a recipe is held against."""
    kind = machine.device.partition(":")[0] if machine else "cpu"
    return Situation(
        pictures=snapshot.pictures,
        validation=snapshot.validation,
        class_pictures=snapshot.prior,
        device=Device(kind=kind, bf16=True, bitsandbytes=kind == "cuda"),
    )


def check_recipe(*, config: TrainConfig, snapshot: DatasetSnapshot, machine: MachineClass) -> None:
    """Raises RecipeRefused with every problem that stops a run, by its setting."""
    found = refused(problems(config, situation_of(snapshot=snapshot, machine=machine)))
    if found:
        errors: dict[str, list[str]] = {}
        for one in found:
            errors.setdefault(one.field, []).append(f"{one.what} {one.why} {one.remedy}")
        first = found[0]
        raise RecipeRefused(f"{first.what} {first.why}", remedy=first.remedy, errors=errors)
    needed = cost_of(config=config, snapshot=snapshot, machine=machine).memory_bytes
    if needed > machine.memory:
        raise RecipeRefused(
            f"It needs about {needed / 1024**3:.1f} GiB, and a machine of {machine.name} has "
            f"{machine.memory / 1024**3:.1f}.",
            remedy="Take a smaller batch, gradient checkpointing or a quantised base, or another class of machine.",
            errors={"gpu_class": ["It has too little memory for this recipe."]},
        )


def cost_of(*, config: TrainConfig, snapshot: DatasetSnapshot, machine: MachineClass) -> Estimate:
    """Seconds of a step and bytes of memory, before anything is measured."""
    pictures = snapshot.pictures + snapshot.validation + snapshot.prior
    return estimate(config, pictures, config.family, device=machine.device)


def _draft(actor: User, plan: RunPlan, snapshot: DatasetSnapshot, machine: MachineClass) -> TrainingRun:
    recipe = plan.config.to_json()
    cost = cost_of(config=plan.config, snapshot=snapshot, machine=machine)
    run = TrainingRun.objects.create(
        owner=plan.dataset.owner,
        created_by=actor,
        title=plan.title.strip() or plan.adapter_name.replace("-", " "),
        adapter_name=plan.adapter_name,
        snapshot=snapshot,
        base_model=plan.base_model,
        purpose=plan.purpose,
        trigger=plan.config.trigger,
        recipe=recipe,
        recipe_digest=recipe_digest(recipe),
        reasons={name: why for name, why in plan.reasons.items() if why},
        intended_use=plan.intended_use,
        gpu_class=machine.name,
        priority=plan.priority,
        steps=plan.config.steps,
        estimate_seconds=cost.step_seconds * plan.config.steps,
        estimate_memory=cost.memory_bytes,
        tariff=machine.tariff,
        currency=settings.TRAINING_CURRENCY,
    )
    return TrainingRun.objects.select_related(
        "owner__user", "owner__organisation", "created_by", "base_model", "snapshot__dataset__owner"
    ).get(pk=run.pk)


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@audited()
def run_recheck(*, run: TrainingRun, actor: User) -> TrainingRun:
    """Ask the policy engine again about a draft, after its people have stated facts or something was decided."""
    run = run_locked(run)
    if run.state != RunState.DRAFT:
        raise RunConflict(f"The run is {run.state}; only a draft is decided about again.")
    run_decide(run, actor=actor)
    run.save(update_fields=["rights", "decision", "use_decision"])
    return run


@audited()
def run_start(*, run: TrainingRun, actor: User) -> TrainingRun:
    """Queue a draft; raises RunNotAllowed, TrainingQuota or RunConflict."""
    run = run_locked(run)
    if run.state != RunState.DRAFT:
        raise RunConflict(f"The run is {run.state} already.")
    _check_allowed(run)
    _check_waiting(run)
    return run_move(run=run, to=RunState.QUEUED, actor=actor)


def _check_allowed(run: TrainingRun) -> None:
    if not allowed(run):
        records = [record for record in (run.decision, run.use_decision) if record is not None]
        against = next((record for record in records if record.outcome != Outcome.ALLOW), None)
        why = against.reasons[0]["message"] if against else "It was never decided about."
        raise RunNotAllowed(f"The run may not start. {why}", decision=str(against.public_id) if against else None)
    if problem := run_obstacle(run):
        raise RunNotAllowed(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])


def _check_waiting(run: TrainingRun) -> None:
    """Of whoever made the run, in every organisation: managers who resume others' runs make no room for more."""
    waiting = TrainingRun.objects.filter(created_by=run.created_by_id, state=RunState.QUEUED).count()
    if waiting >= settings.TRAINING_WAITING_PER_USER:
        raise TrainingQuota(f"{waiting} runs of {run.created_by.username} wait already, which is as many as may.")


@audited()
def run_pause(*, run: TrainingRun, actor: User) -> TrainingRun:
    """Stop at a checkpoint, within two steps; a run that waits pauses at once."""
    run = run_locked(run)
    if run.state == RunState.QUEUED:
        return run_move(run=run, to=RunState.PAUSED, actor=actor)
    if run.state != RunState.RUNNING:
        raise RunConflict(f"The run is {run.state}; there is nothing to pause.")
    return _ask(run, Wanted.PAUSE, actor)


@audited()
def run_resume(*, run: TrainingRun, actor: User) -> TrainingRun:
    """Go on from the last checkpoint. A pause that the worker has not come to yet is taken back."""
    run = run_locked(run)
    if run.state == RunState.RUNNING and run.wanted == Wanted.PAUSE:
        return _ask(run, Wanted.NOTHING, actor)
    if run.state != RunState.PAUSED:
        raise RunConflict(f"The run is {run.state}; there is nothing to resume.")
    _check_allowed(run)
    _check_waiting(run)
    return run_move(run=run, to=RunState.QUEUED, actor=actor)


@audited()
def run_cancel(*, run: TrainingRun, actor: User) -> TrainingRun:
    """End a run for good, within two steps of its worker."""
    run = run_locked(run)
    if run.state in CLOSED:
        return run_move(run=run, to=RunState.CANCELLED, actor=actor)
    if run.state not in {RunState.RUNNING, RunState.FINISHING}:
        raise RunConflict(f"The run is {run.state}; there is nothing to cancel.")
    return _ask(run, Wanted.CANCEL, actor)


@audited()
def run_retry(*, run: TrainingRun, actor: User) -> TrainingRun:
    """Try a failed run again from its last checkpoint."""
    run = run_locked(run)
    if run.state != RunState.FAILED:
        raise RunConflict(f"The run is {run.state}; there is nothing to try again.")
    _check_allowed(run)
    _check_waiting(run)
    return run_move(run=run, to=RunState.QUEUED, actor=actor, fruitless=0)


@audited()
def run_stop(*, run: TrainingRun, problem: dict[str, Any]) -> TrainingRun:
    """A right that the run rests on has ended: nobody works on it any more, within two steps. By the house alone."""
    run = run_locked(run)
    if run.state in CLOSED:
        return run_move(run=run, to=RunState.STOPPED, actor=None, problem=problem)
    if run.state not in {RunState.RUNNING, RunState.FINISHING} or run.wanted == Wanted.STOP:
        return run
    run.problem = problem
    run.save(update_fields=["problem"])
    return _ask(run, Wanted.STOP, None)


def _ask(run: TrainingRun, wanted: Wanted, actor: User | None) -> TrainingRun:
    """Tell the worker. What the house or an owner has ended for good is not taken back."""
    if run.wanted in {Wanted.STOP, Wanted.CANCEL} and wanted is not Wanted.STOP:
        raise RunConflict("The run is being ended already.")
    run.wanted = wanted.value
    run.save(update_fields=["wanted"])
    words = {
        Wanted.NOTHING: "The pause was taken back.",
        Wanted.PAUSE: "The worker was asked to pause at its next step.",
        Wanted.CANCEL: "The worker was asked to end at its next step.",
        Wanted.STOP: "The worker was told to stop at its next step, because a right has ended.",
    }
    run_log(run, EventKind.STATE, words[wanted], step=run.step, data={"wanted": wanted.value})
    audit_append(
        actor=actor,
        action=f"run.asked-to-{wanted.value or 'go-on'}",
        subject=subject_of(run)[:2],
        data={"step": run.step},
    )
    return run


@audited()
def run_review(
    *, run: TrainingRun, actor: User, approve: bool, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator's decision about a draft that the policy engine left to a person, over the engine's own.

    Raises ConflictOfInterest over one's own, RunConflict where nothing waits for a person.
    """
    run = run_locked(run)
    if run.created_by_id == actor.pk or membership_role(actor, run.owner) is not None:
        raise ConflictOfInterest("The run is yours or of an organisation that you belong to.")
    open_ = {
        name: record
        for name in ("decision", "use_decision")
        if (record := getattr(run, name)) is not None and record.outcome == Outcome.REVIEW
    }
    if run.state != RunState.DRAFT or not open_:
        raise RunConflict("The run does not wait for a person's decision.")
    decided = []
    for name, record in open_.items():
        over = decision_override(
            record=record,
            actor=actor,
            outcome=Outcome.ALLOW if approve else Outcome.DENY,
            subject=subject_of(run),
            action=record.action,
            public_reasoning=public_reasoning,
            private_notes=private_notes,
        )
        setattr(run, name, over)
        decided.append(over)
    run.save(update_fields=list(open_))
    words = "allowed" if approve else "refused"
    run_log(run, EventKind.STATE, f"A moderator {words} it: {public_reasoning}", data={"approve": approve})
    return decided[0]
