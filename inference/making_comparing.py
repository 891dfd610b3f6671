"""The conflict report of a set of adapters, as rows for the page. Loads torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from governance.policy import Outcome, Use, decide
from governance.rulebook import current_ruleset
from inference.engine import BaseSpec, RenderRequest, load_base
from inference.engine.algebra.conflicts import ConflictReport, LayerConflict, PairConflict, conflicts
from inference.engine.algebra.merging import Part
from inference.engine.covering import COVERS, Tried, covering
from inference.engine.names import NameIndex
from inference.engine.reading import interpret
from inference.making_files import base_of, block_named, file_of, location_of, parts_of
from inference.models import MakingJob, MakingPart
from inference.plan import OTHERS, SETTINGS
from inference.selectors.making import block_place
from inference.services.making_jobs import making_finish
from inference.services.previews import HOUSE_FACTS
from inference.states import JobState
from registry.models import Version
from registry.services.policy import use_request
from registry.standing import obstacle_to

Stage = Callable[[str], None]
TRIED = 4  # adapters: the pictures grow with the square of their number
STEPS, SEED = 8, 900
SUBJECTS = {
    "tinybase": (
        "a large red circle in the centre on a white background",
        "a large blue star in the centre on a yellow background",
        "a large green square in the centre on a purple background",
        "a large orange heart in the centre on a blue background",
    )
}
OTHER_SUBJECTS = ("a house by a lake, morning light", "a cat on a sofa", "a street in a city at night")
SHOWN = 24  # layers of each pair in the table; the strip has all of them


def compare(job: MakingJob, folder: Path, stage: Stage) -> None:
    """Compare every two adapters on the base that the job is about: their weights, and what they do to pictures."""
    stage("Reading the adapters")
    rows = parts_of(job)
    parts = [Part(file_of(row.version), row.weight) for row in rows]
    base = base_of(job.base_model)
    stage("Comparing, layer by layer")
    report = report_rows(conflicts(parts, base), base.index)
    if why := why_not_tried(rows):
        report["not_tried"] = why
    else:
        report |= {"tried": True, "covers": _tried(job, rows, parts, stage)}
    making_finish(job=job, state=JobState.DONE, report=report)


def why_not_tried(rows: Sequence[MakingPart]) -> str:
    """Why no pictures are made with these adapters, even none that are kept; empty where they may be.

    To try them is to preview them, so the rules for previews hold.
    """
    if len(rows) > TRIED:
        return f"At most {TRIED} adapters are tried at a time."
    for version in (row.version for row in rows):
        if obstacle := obstacle_to(version, Use.PREVIEW):
            return f"{version}: {obstacle.what} {obstacle.why}"
        decision = decide(use_request(version, Use.PREVIEW, HOUSE_FACTS), current_ruleset())
        if decision.outcome is not Outcome.ALLOW:
            return decision.reasons[0].message
    return ""


def _tried(job: MakingJob, rows: Sequence[MakingPart], parts: Sequence[Part], stage: Stage) -> list[dict[str, Any]]:
    """The cover of every ordered pair. The pictures stay in memory and go with this call."""
    stage("Loading the base model")
    family = job.base_model.family
    pipe = load_base(BaseSpec(family=family, location=location_of(job.base_model), device=settings.PREVIEW_DEVICE))
    tried = [
        Tried(interpret(part.file), part.weight, requests_for(row.version, family))
        for row, part in zip(rows, parts, strict=True)
    ]
    found = covering(pipe, tried, lambda done, total: stage(f"Trying pictures, {done} of {total}"))
    return [
        {"mine": mine, "other": other, "cover": cover, "covers": cover is not None and cover >= COVERS}
        for (mine, other), cover in found.items()
    ]


def requests_for(version: Version, family: str) -> tuple[RenderRequest, ...]:
    """A few small pictures in the adapter's own words."""
    sampling = SETTINGS.get(family, OTHERS)
    word = next(iter(version.trigger_words), "")
    return tuple(
        RenderRequest(
            prompt=f"{word} {subject}".strip(),
            seed=SEED + place,
            steps=STEPS,
            guidance=sampling.guidance,
            width=sampling.width,
            height=sampling.height,
        )
        for place, subject in enumerate(SUBJECTS.get(family, OTHER_SUBJECTS))
    )


def report_rows(report: ConflictReport, index: NameIndex) -> dict[str, Any]:
    """JSON values; adapters are named by their place in the job, so that each reader sees the names they may see."""
    return {
        "weights": list(report.weights),
        "proposed": list(report.proposed),
        "left_out": [list(pair) for pair in report.left_out],
        "pairs": [_pair(pair, index) for pair in report.pairs],
    }


def _pair(pair: PairConflict, index: NameIndex) -> dict[str, Any]:
    return {
        "adapters": list(pair.adapters),
        "manner": pair.manner,
        "fights": pair.fights,
        "overlap": pair.overlap,
        "cosine": pair.cosine,
        "shared": pair.shared,
        "blocks": _blocks(pair, index),
        "layers": [_layer(layer) for layer in pair.layers[:SHOWN]],
        "layer_count": len(pair.layers),
    }


def _layer(layer: LayerConflict) -> dict[str, Any]:
    return {
        "layer": layer.layer,
        "overlap": layer.overlap,
        "cosine": layer.cosine,
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "norms": list(layer.norms),
    }


def _blocks(pair: PairConflict, index: NameIndex) -> list[dict[str, Any]]:
    """Overlap and cosine of each block: the means of its layers by how much of each both change."""
    by_block: dict[str, list[LayerConflict]] = {}
    for layer in pair.layers:
        by_block.setdefault(block_named(index, layer.layer), []).append(layer)
    whole = sum(layer.energy for layer in pair.layers) or 1.0
    rows = []
    for block, layers in sorted(by_block.items(), key=lambda item: block_place(item[0])):
        energy = sum(layer.energy for layer in layers) or 1.0
        rows.append(
            {
                "block": block,
                "layers": len(layers),
                "overlap": sum(layer.overlap * layer.energy for layer in layers) / energy,
                "cosine": sum(layer.cosine * layer.energy for layer in layers) / energy,
                "share": energy / whole,
            }
        )
    return rows
