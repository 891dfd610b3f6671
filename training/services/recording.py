"""What a worker writes down about a run: points of the curves, samples, checkpoints, files, warnings."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from registry.storage import adopt_file, store_bytes
from training.keeping import run_folder, store_prefix
from training.models import (
    EventKind,
    Level,
    RunCheckpoint,
    RunFile,
    RunPoint,
    RunSample,
    TrainingRun,
)
from training.services.leasing import LeaseLost, checkpoint_reached, held
from training.services.run_states import run_log

# The IPTC's term for pictures that a model made, as it stands in XMP: https://cv.iptc.org/newscodes/digitalsourcetype/
MADE_BY_MODEL = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType='
    '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
)

TRIGGER = "{trigger}"  # as it stands in the prompts of a recipe
PREFERRED = "kohya"  # the layout that most programs read, and that is published where there is a choice


def points_keep(run: TrainingRun, points: Sequence[RunPoint]) -> None:
    """Put points on the curves; a step that was told before is told anew."""
    unique = {(point.kind, point.step): point for point in points}
    RunPoint.objects.bulk_create(
        unique.values(),
        update_conflicts=True,
        unique_fields=["run", "kind", "step"],
        update_fields=["loss", "learning_rate", "grad_norm", "bands"],
    )


def sample_keep(run: TrainingRun, *, step: int, prompt: str, seed: int, with_trigger: bool, path: Path) -> RunSample:
    """Store a sample picture, marked as made by a model; the same one told again takes the place of the first."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    content = _marked(picture)
    digest = hashlib.sha256(content).hexdigest()
    key = f"{store_prefix(run)}/samples/{digest}.png"
    store_bytes(content=content, key=key)
    with transaction.atomic():
        _check_held(run)
        sample, _ = RunSample.objects.update_or_create(
            run=run,
            step=step,
            prompt=prompt,
            seed=seed,
            with_trigger=with_trigger,
            defaults={
                "template": _template(run, prompt),
                "storage_key": key,
                "sha256": digest,
                "size": len(content),
                "width": picture.width,
                "height": picture.height,
                "made_at": timezone.now(),
            },
        )
    return sample


def _template(run: TrainingRun, prompt: str) -> str:
    """The recipe's prompt that this one was made from, with the trigger word or without it."""
    for template in run.recipe["samples"]["prompts"]:
        without = " ".join(template.replace(TRIGGER, " ").replace(" ,", ",").split()).strip(" ,")
        if prompt in {template.replace(TRIGGER, run.trigger), without}:
            return str(template)
    return prompt[:500]


def _marked(picture: Image.Image) -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", MADE_BY_MODEL)
    made = io.BytesIO()
    picture.save(made, "PNG", pnginfo=info)
    return made.getvalue()


def checkpoint_keep(run: TrainingRun, *, step: int, path: Path) -> None:
    """A checkpoint is whole and copied: the run can go on from it. Those that the engine removed are marked so."""
    folder = run_folder(run)
    relative = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    with transaction.atomic():
        _check_held(run)
        RunCheckpoint.objects.update_or_create(
            run=run,
            step=step,
            defaults={"path": relative, "size": _size(path), "made_at": timezone.now(), "removed_at": None},
        )
        for other in RunCheckpoint.objects.filter(run=run, removed_at=None):
            if not (folder / other.path).exists():
                other.removed_at = timezone.now()
                other.save(update_fields=["removed_at"])
        run_log(run, EventKind.CHECKPOINT, f"Checkpoint at step {step}.", step=step)
    checkpoint_reached(run, step)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0


def file_keep(run: TrainingRun, *, step: int, layout: str, path: Path, sha256: str, max_difference: float) -> RunFile:
    """Take over a file that was written, read back and compared."""
    key = f"{store_prefix(run)}/files/{sha256}.safetensors"
    adopt_file(path=path, key=key)
    name = run.adapter_name if layout == PREFERRED else f"{run.adapter_name}.{layout}"
    kept, _ = RunFile.objects.update_or_create(
        run=run,
        step=step,
        layout=layout,
        defaults={
            "filename": f"{name}.safetensors",
            "storage_key": key,
            "sha256": sha256,
            "size": path.stat().st_size,
            "max_difference": max_difference,
            "removed_at": None,
        },
    )
    return kept


def warnings_keep(run: TrainingRun, warnings: Sequence[dict[str, Any]], proposal: dict[str, Any]) -> None:
    """What the overfit watch says now; what is new in it goes into the log."""
    before = {(found["code"], found["step"]) for found in run.warnings}
    for found in warnings:
        if (found["code"], found["step"]) not in before:
            run_log(
                run, EventKind.WATCH, found["message"], level=Level.WARNING, step=found["step"], data=found["facts"]
            )
    run.warnings, run.proposal = list(warnings), proposal
    held(run).update(warnings=run.warnings, proposal=proposal)


def _check_held(run: TrainingRun) -> None:
    """A late worker writes nothing about a run that is another's by now."""
    if not held(run).select_for_update(no_key=True).exists():
        raise LeaseLost(str(run))
