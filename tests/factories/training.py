"""Training runs for tests. Their snapshots name pictures that were never stored, where no worker looks at them."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Namespace, User
from governance.models import DecisionRecord
from registry.models import BaseModel
from tests.factories.accounts import make_user
from tests.factories.datasets import make_dataset
from tests.factories.registry import catalogue
from training.engine.config import TrainConfig
from training.engine.presets import preset
from training.models import Dataset, DatasetSnapshot, RunLease, TrainingRun
from training.services.run_states import RELATED
from training.services.runs import recipe_digest
from training.services.snapshots import manifest_digest
from training.services.standing import run_decide
from training.states import RunState

# By which states one comes to another.
WAYS = {
    RunState.DRAFT: [],
    RunState.QUEUED: ["queued"],
    RunState.RUNNING: ["queued", "running"],
    RunState.PAUSED: ["queued", "paused"],
    RunState.FINISHING: ["queued", "running", "finishing"],
    RunState.DONE: ["queued", "running", "finishing", "done"],
    RunState.FAILED: ["queued", "running", "failed"],
    RunState.CANCELLED: ["cancelled"],
    RunState.STOPPED: ["stopped"],
}


def recipe(**changes: Any) -> TrainConfig:
    """A short recipe for the tiny base."""
    config = preset("style", "tinybase", 8, trigger="sks").config
    samples = replace(config.samples, every=10, prompts=("{trigger}, a red circle",), seeds=(1,), steps=2)
    data = replace(config.data, batch=4)
    short = {"data": data, "steps": 30, "checkpoint_every": 5, "validate_every": 10, "samples": samples}
    return replace(config, **{**short, "optim": replace(config.optim, warmup_steps=2), **changes})


def make_snapshot(dataset: Dataset, *, pictures: int = 12, **changes: Any) -> DatasetSnapshot:
    """A snapshot whose pictures exist by name alone."""
    entries = [
        {
            "picture": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{dataset.pk}/{number}")),
            "path": f"{number}.png",
            "sha256": f"{number:064x}",
            "stored_sha256": f"{number:064x}",
            "key": f"datasets/none/{number}",
            "width": 64,
            "height": 64,
            "caption": "sks, a shape",
            "repeats": 1,
            "is_prior": False,
            "is_validation": number % 5 == 4,
            "source": "",
            "licence_id": "",
            "depicts_person": None,
            "protection": "",
            "consent": None,
            "findings": [],
        }
        for number in range(pictures)
    ]
    manifest = {
        "edition": 1,
        "dataset": str(dataset.public_id),
        "origin": "own",
        "licence_id": "",
        "source": "",
        "depicts_real_person": False,
        "findings": [],
        "pictures": entries,
        **changes,
    }
    validation = sum(entry["is_validation"] for entry in entries)
    return DatasetSnapshot.objects.create(
        dataset=dataset,
        digest=manifest_digest(manifest),
        manifest=manifest,
        pictures=pictures - validation,
        validation=validation,
        prior=0,
        created_by=dataset.created_by,
    )


def make_run(
    *,
    owner: User | None = None,
    namespace: Namespace | None = None,
    dataset: Dataset | None = None,
    state: RunState = RunState.DRAFT,
    outcome: str = "",
    manifest: dict[str, Any] | None = None,
    config: TrainConfig | None = None,
    **changes: Any,
) -> TrainingRun:
    """A run in any state, with real decisions; `outcome` overlays the first one's answer."""
    catalogue()
    owner = owner or User.objects.filter(username="ada").first() or make_user("ada")
    dataset = dataset or _dataset(owner, namespace)
    config = config or recipe()
    plain = config.to_json()
    run = TrainingRun(
        **{
            "owner": dataset.owner,
            "created_by": owner,
            "title": "Leaves",
            "adapter_name": "leaves",
            "snapshot": make_snapshot(dataset, **(manifest or {})),
            "base_model": BaseModel.objects.get(slug="tinybase"),
            "purpose": "style",
            "trigger": config.trigger,
            "recipe": plain,
            "recipe_digest": recipe_digest(plain),
            "intended_use": "personal",
            "gpu_class": "cpu",
            "steps": config.steps,
            "estimate_seconds": 60.0,
            **changes,
        }
    )
    run.save()
    run_decide(run, actor=owner)
    if outcome:
        run.decision = _answered(run.decision, outcome)
    run.save()
    return bring_to(run, state)


def _dataset(owner: User, namespace: Namespace | None) -> Dataset:
    name = f"leaves-{Dataset.objects.count() + 1}"
    dataset = make_dataset(owner, name)
    if namespace is not None:
        dataset.owner = namespace
        dataset.save(update_fields=["owner"])
    return dataset


def _answered(record: DecisionRecord, outcome: str) -> DecisionRecord:
    reasons = [{**record.reasons[0], "outcome": outcome}]
    return DecisionRecord.objects.create(
        actor=record.actor,
        subject_type=record.subject_type,
        subject_id=record.subject_id,
        subject_label=record.subject_label,
        action=record.action,
        outcome=outcome,
        request=record.request,
        reasons=reasons,
        ruleset_digest=record.ruleset_digest,
    )


def bring_to(run: TrainingRun, state: RunState) -> TrainingRun:
    """Lead the run to a state by allowed steps, with the lease that a worker would have."""
    now = timezone.now()
    held = {
        "lease_token": uuid.uuid4(),
        "lease_until": now + timedelta(minutes=5),
        "leased_at": now,
        "worker": "test:1",
        "attempts": 1,
        "fruitless": 1,
        "started_at": now,
    }
    free = {"lease_token": None, "lease_until": None, "leased_at": None}
    for name in WAYS[state]:
        fields: dict[str, Any] = {"state": name}
        if name == "queued":
            fields["queued_at"] = now
        if name == "running":
            fields |= held
            RunLease.objects.create(run=run, worker="test:1", started_at=now)
        if name in {"done", "failed"}:
            fields |= {**free, "finished_at": now}
            RunLease.objects.filter(run=run, ended_at=None).update(ended_at=now, ended_as=name)
        TrainingRun.objects.filter(pk=run.pk).update(**fields)
    return TrainingRun.objects.select_related(*RELATED).get(pk=run.pk)
