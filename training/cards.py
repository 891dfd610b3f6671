"""The model card of a trained adapter, a README in the Hub's format, written from facts alone.

Its datasheet answers what Gebru et al. (Datasheets for Datasets, 2021) ask, as far as the registry knows it: what is in
it, from where, by whose consent, how it was looked at. Nothing is promised that nobody measured.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from governance.rulebook import current_ruleset
from registry.models import Version
from training.models import PointKind, TrainingRun

HUB_LIBRARY = "diffusers"
LATER = "See the version's page for what its licences allow; that is computed, and this card is not."


def card_of(run: TrainingRun, version: Version, *, licence_id: str = "") -> str:
    """Markdown with YAML front matter; `licence_id` where another one is about to be declared."""
    licence_id = licence_id or version.licence_id
    parts = [
        _front(run, version, licence_id),
        f"# {_plain(run.title)}\n",
        _summary(run, version, licence_id),
        _use(run),
        _training(run),
        _figures(run),
        _datasheet(run),
        _limits(run),
        _provenance(run, version),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _front(run: TrainingRun, version: Version, licence_id: str) -> str:
    licence = current_ruleset().licences.get(licence_id)
    on_hub = (dict(licence.hub) if licence else {}) or {"license": "other"}
    facts: dict[str, Any] = {
        **on_hub,
        "base_model": run.base_model.weights_source if "/" in run.base_model.weights_source else run.base_model.name,
        "base_model_relation": "adapter",
        "library_name": HUB_LIBRARY,
        "pipeline_tag": "text-to-image",
        "instance_prompt": run.trigger or None,
        "tags": ["text-to-image", HUB_LIBRARY, run.recipe["adapter"]["kind"], run.base_model.family],
    }
    # JSON is YAML: no word of a title can break out of its line.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items() if value is not None]
    return "\n".join(["---", *lines, "---", ""])


def _plain(text: str) -> str:
    """One line that starts no heading, list or front matter of its own."""
    return " ".join(text.split())


def _rows(rows: Mapping[str, object]) -> str:
    """Rows of a table: a cell's own bars and line ends would break out of it."""
    return "\n".join(f"| {name} | {_plain(str(value)).replace('|', chr(92) + '|')} |" for name, value in rows.items())


def _summary(run: TrainingRun, version: Version, licence_id: str) -> str:
    licence = current_ruleset().licences.get(licence_id)
    named = licence.title if licence else licence_id
    adapter = run.recipe["adapter"]
    return (
        f"An adapter ({adapter['kind']}, rank {adapter['rank']}) for {run.base_model.name}, "
        f"trained for {run.step:,} steps on {run.snapshot.pictures} pictures. Licence: {named}. {LATER}\n"
    )


def _use(run: TrainingRun) -> str:
    words = f"Write `{run.trigger}` in the prompt." if run.trigger else "It has no trigger word and always acts."
    return f"## Use\n\n{words} Strength {run.recipe['samples']['strength']:g} is what its samples were made with.\n"


def _training(run: TrainingRun) -> str:
    recipe, optim, data = run.recipe, run.recipe["optim"], run.recipe["data"]
    rows = {
        "steps": run.step,
        "batch": f"{data['batch']} × {data['accumulation']}",
        "resolution": data["resolution"],
        "modules": recipe["adapter"]["targets"],
        "optimizer": optim["optimizer"],
        "learning rate": f"{optim['learning_rate']:g}, {optim['schedule']}, {optim['warmup_steps']} steps of warm-up",
        "precision": optim["precision"],
        "caption dropout": data["caption_dropout"],
        "prior preservation": data["prior_weight"] or "none",
        "seed": recipe["seed"],
    }
    table = _rows(rows)
    return f"## Training\n\n| setting | value |\n|---|---|\n{table}\n"


def _figures(run: TrainingRun) -> str:
    """What was measured: the losses, and what the overfit watch had to say."""
    last = run.points.filter(kind=PointKind.VALIDATION).last()
    first = run.points.filter(kind=PointKind.VALIDATION).first()
    lines = []
    if first and last:
        lines.append(f"Validation loss: {first.loss:.4f} at step {first.step}, {last.loss:.4f} at step {last.step}.")
    lines += [f"Overfit watch, step {found['step']}: {found['message']}" for found in run.warnings]
    if not run.warnings:
        lines.append(
            "The overfit watch found nothing." if run.best_step else "The overfit watch had too little to look at."
        )
    return "## What was measured\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def _datasheet(run: TrainingRun) -> str:
    snapshot, rights = run.snapshot, run.rights
    consents = rights.get("consent_ids", [])
    licences = sorted({found["licence_id"] or "none stated" for found in rights.get("components", [])})
    depicts = "yes, with consents on record" if rights.get("depicts_real_person") else "no"
    rows = {
        "pictures": f"{snapshot.pictures} to learn from, {snapshot.validation} to validate with, {snapshot.prior} of "
        "the class alone",
        "sources": "; ".join(rights.get("training_sources", [])) or "not stated",
        "licences of others": ", ".join(licences) or "none: own work",
        "depicts a real person": depicts,
        "consents": f"{len(consents)} on record" if consents else "none needed",
        "looked at": "every picture was compared with the opt-out register and protected likenesses, and "
        "machine-readable reservations were honoured",
        "kept": f"for {settings.DATASET_RETENTION.days} days after the last run, longer where its owner asked, "
        "and then deleted",
        "digest": f"`{snapshot.digest}`",
    }
    table = _rows(rows)
    return f"## Datasheet\n\n| question | answer |\n|---|---|\n{table}\n"


def _limits(run: TrainingRun) -> str:
    words = "What shows with the trigger word may show without it as well; the training report measures how much."
    return f"## Limits\n\n{words if run.trigger else 'It was not measured on prompts beside its samples.'}\n"


def _provenance(run: TrainingRun, version: Version) -> str:
    rows = {
        "run": f"`{run.public_id}`",
        "dataset": f"`{run.snapshot.digest}`",
        "recipe": f"`{run.recipe_digest}`",
        "base": f"`{run.base_digest}`" if run.base_digest else run.base_model.weights_source,
        "decision": f"`{run.decision.public_id}`" if run.decision else "",
        "report": f"{settings.PUBLIC_URL}/{version.adapter}/v/{version.number}/training",
    }
    table = _rows(rows)
    return f"## Provenance\n\n| what | which |\n|---|---|\n{table}\n"
