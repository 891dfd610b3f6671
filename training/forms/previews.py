"""A plan before there is a run: what is wrong with it, and what it would cost. Nothing is written."""

from typing import Any

from django.conf import settings

from training.engine.checks import Device, Situation, problems
from training.engine.estimates import estimate
from training.forms.runs import RunForm, StartForm
from training.machines import machine_classes
from training.models import Dataset


def plan_preview(form: StartForm | RunForm) -> dict[str, Any]:
    """Problems by their settings, seconds, memory and cost; nothing where the form does not say enough."""
    if not isinstance(form, RunForm) or form.start_from is None:
        return {}
    config = form.proposal.config
    if form.is_bound:
        if not form.is_valid():
            return {"unfinished": True}
        config = form.cleaned_data["config"]
    machines = machine_classes()
    chosen = form.cleaned_data["gpu_class"] if form.is_bound else next(iter(machines))
    machine = machines[chosen]
    situation = situation_now(form.start_from.dataset, machine.device)
    pictures = situation.pictures + situation.validation + situation.class_pictures
    cost = estimate(config, pictures, config.family, device=machine.device)
    seconds = cost.step_seconds * config.steps
    return {
        "problems": problems(config, situation),
        "estimate": cost,
        "estimate_seconds": seconds,
        "estimate_cost": float(machine.tariff) * seconds,
        "is_free": not machine.tariff,
        "currency": settings.TRAINING_CURRENCY,
        "machine": machine,
        "fits": cost.memory_bytes <= machine.memory,
        "plan_config": config,
    }


def situation_now(dataset: Dataset, device: str) -> Situation:
    """What a recipe is held against, by what the dataset holds now."""
    used = dataset.pictures.filter(left_out=False)
    kind = device.partition(":")[0]
    return Situation(
        pictures=max(used.filter(is_prior=False, is_validation=False).count(), 1),
        validation=used.filter(is_validation=True).count(),
        class_pictures=used.filter(is_prior=True).count(),
        device=Device(kind=kind, bf16=True, bitsandbytes=kind == "cuda"),
    )
