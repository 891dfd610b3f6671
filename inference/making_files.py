"""The files that are made: adapters merged, extracted or in another form, and merged base models. Loads torch."""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from inference.engine import BaseSpec, Cancelled, EngineError, load_base
from inference.engine.algebra.casting import cast
from inference.engine.algebra.converting import convert
from inference.engine.algebra.merging import Part, Recipe, merge_adapters
from inference.engine.algebra.resizing import resize
from inference.engine.algebra.results import Made
from inference.engine.algebra.truncation import Limit
from inference.engine.blocks import block_of
from inference.engine.checkpoints.checkpoint import Checkpoint
from inference.engine.checkpoints.extracting import Wanted, extract
from inference.engine.checkpoints.merging import Ingredient, merge_into_checkpoint
from inference.engine.files import AdapterFile, read_file, sha256_of, write_file
from inference.engine.names import NameIndex, Target
from inference.engine.weights import BaseWeights, LoadedWeights
from inference.making_options import usable
from inference.models import MakingJob, MakingPart
from inference.services.making_jobs import brought_forget, making_finish
from inference.services.making_results import result_drafted
from inference.states import JobState
from registry.models import BaseModel, Version
from registry.models.adapters import Visibility
from registry.services.uploads import upload_path
from registry.storage import local_copy

Stage = Callable[[str], None]
UNNAMED = "an adapter that is not public"


def base_of(base: BaseModel) -> BaseWeights:
    """The base's layers, read one by one from a folder; a hub id is loaded whole."""
    location = location_of(base)
    if Path(location).is_dir():
        return Checkpoint(Path(location))
    return LoadedWeights(load_base(BaseSpec(family=base.family, location=location)))


def location_of(base: BaseModel) -> str:
    location = settings.BASE_MODEL_LOCATIONS.get(base.slug)
    if location is None:  # the settings of this worker are not those under which the job was queued
        raise EngineError(
            "It cannot be made here.",
            f"The weights of {base.name} are not on this registry's workers.",
            f"An administrator can name a folder or hub id: BASE_MODEL_LOCATIONS={base.slug}=…",
        )
    return str(location)


def folder_of(base: BaseModel) -> Path:
    """Raises EngineError where the weights are no folder on this worker's disk."""
    location = Path(location_of(base))
    if location.is_dir():
        return location
    raise EngineError(
        "It cannot be made here.",
        f"The weights of {base.name} are not in a folder on this worker, which reading them layer by layer needs.",
        f"An administrator can download them and name the folder: BASE_MODEL_LOCATIONS={base.slug}=/…",
    )


def parts_of(job: MakingJob) -> list[MakingPart]:
    return list(job.parts.select_related("version__adapter__owner", "version__base_model"))


def file_of(version: Version) -> AdapterFile:
    """The version's file, named so that what is made of it may be read by anybody.

    Readers of a result see its header, and some of them may not know of a part that is not public.
    """
    row = version.files.select_related("blob").get(is_primary=True)
    with local_copy(row.blob.storage_key) as path:
        file = read_file(path, digest=False)
    if version.adapter.visibility != Visibility.PUBLIC:
        return replace(file, name=UNNAMED, sha256="")
    return replace(file, name=str(version), sha256=row.sha256)


def merge_draft(job: MakingJob, folder: Path, stage: Stage) -> None:
    """Several adapters as one, which becomes a draft."""
    stage("Reading the adapters")
    parts = [Part(file_of(part.version), part.weight) for part in parts_of(job)]
    options = usable("merge", job.recipe)
    base = base_of(job.base_model)
    stage("Merging, layer by layer")
    recipe = Recipe(options["method"], _limit(options), options["density"], options["seed"])
    made = merge_adapters(parts, base, recipe, layout=options["layout"])
    _draft(job, folder, made, options, base.index, stage)


def extract_draft(job: MakingJob, folder: Path, stage: Stage) -> None:
    """The difference of two checkpoints as an adapter, which becomes a draft."""
    stage("Reading the checkpoints")
    base = Checkpoint(folder_of(job.base_model))
    options = job.recipe
    if slug := options.get("tuned"):
        tuned = Checkpoint(folder_of(BaseModel.objects.get(slug=slug)))
    else:
        tuned = Checkpoint(_brought(job), architecture=folder_of(job.base_model))
    stage("Extracting, layer by layer")
    limit = Limit(options["rank"], options["energy"])
    wanted = Wanted(limit, convolutions=options["convolutions"], vectors=options["vectors"], layout=options["layout"])
    made = extract(base, tuned, wanted)
    _draft(job, folder, made, options, base.index, stage)
    brought_forget(job=job)


def _brought(job: MakingJob) -> Path:
    path = upload_path(job.upload.pk) if job.upload else None
    if path is None or not path.exists():
        raise EngineError(
            "The checkpoint is not there.", "The file that was brought is gone from the server.", "Upload it again."
        )
    return path


def _limit(options: dict[str, Any]) -> Limit | None:
    rank, energy = options.get("rank"), options.get("energy")
    return Limit(rank, energy) if rank is not None or energy is not None else None


def _draft(job: MakingJob, folder: Path, made: Made, options: dict[str, Any], index: NameIndex, stage: Stage) -> None:
    rounded = cast(made.file, options["dtype"])
    # `cast` writes down its own step; the file's lineage is what was made, with the number type among its parameters.
    lineage = replace(made.lineage, parameters={**made.lineage.parameters, "dtype": options["dtype"]})
    file = rounded.file.described({**lineage.as_metadata(), **provenance(job)})
    stage("Writing the file")
    written, path = write_form(file, folder, job.adapter_name)
    report = {**report_of(made, index), "rounding": rounded.error, "vanished": rounded.vanished}
    if result_drafted(job=job, path=path, report=report, sha256=written) is None:
        raise Cancelled


def provenance(job: MakingJob) -> dict[str, str]:
    """What the header says beside the lineage: where it was made, for which base, under which computed licence."""
    record = {
        "registry": settings.PUBLIC_URL,
        "job": str(job.pk),
        "base_model": job.base_model.slug,
        "computed_licence": job.licence_id,
        "decision": str(job.decision.public_id) if job.decision else None,
    }
    return {"made_by": json.dumps(record, sort_keys=True), "modelspec.title": job.title or job.adapter_name}


def report_of(made: Made, index: NameIndex) -> dict[str, Any]:
    """How near the result is to what was wanted, layer by layer."""
    return {
        "error": made.error,
        "layers": [
            {
                "layer": one.layer,
                "block": block_named(index, one.layer),
                "kind": one.kind,
                "rank": one.rank,
                "norm": one.norm,
                "error": one.error,
            }
            for one in made.layers
        ],
        "left_out": [list(pair) for pair in made.left_out],
        "notes": list(made.notes),
    }


def block_named(index: NameIndex, layer: str) -> str:
    """The block of a layer that is given as text, as results name it."""
    component = layer.partition(".")[0]
    modules = tuple(name.removeprefix(f"{component}.") for name in layer.split(" + "))
    return block_of(index, Target(component, modules))


def write_form(file: AdapterFile, folder: Path, stem: str) -> tuple[str, Path]:
    """(SHA256, path) of the adapter as one file; PEFT's two files are one .zip."""
    if not file.beside:
        path = folder / f"{stem}.safetensors"
        return write_file(file, path).sha256, path
    inner = folder / "peft"
    inner.mkdir()
    write_file(file, inner / "adapter_model.safetensors")
    path = folder / f"{stem}.zip"
    zipped(path, [(one, one.name) for one in sorted(inner.iterdir())])
    return sha256_of(path), path


def zipped(path: Path, files: Sequence[tuple[Path, str]], texts: Sequence[tuple[str, str]] = ()) -> None:
    """Stored, not compressed, because weights do not become smaller; the same content gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file, name in files:
            info = zipfile.ZipInfo(name)
            with file.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while piece := source.read(1 << 20):
                    target.write(piece)
        for name, text in texts:
            archive.writestr(zipfile.ZipInfo(name), text)


def form_file(job: MakingJob, folder: Path, stage: Stage) -> None:
    """A version's file in another rank, number type or layout, in this order."""
    stage("Reading the file")
    version = parts_of(job)[0].version
    row = version.files.select_related("blob").get(is_primary=True)
    with local_copy(row.blob.storage_key) as source:
        file = replace(read_file(source, digest=False), name=Path(row.path).stem, sha256=row.sha256)
    options, report = job.recipe, dict[str, Any]()
    base = base_of(version.base_model) if options["layout"] or _limit(options) else None
    if base is not None and (limit := _limit(options)):
        stage("Resizing, layer by layer")
        made = resize(file, base, limit)
        file, report = replace(made.file, name=file.name), report_of(made, base.index)
    if options["dtype"]:
        rounded = cast(file, options["dtype"])
        file, report = rounded.file, {**report, "rounding": rounded.error, "vanished": rounded.vanished}
    if base is not None and options["layout"]:
        stage("Converting")
        conversion = convert(replace(file, sha256=file.sha256 or row.sha256), options["layout"], base.index)
        file, report = conversion.file, {**report, "notes": [*report.get("notes", ()), *conversion.notes]}
    sha256, path = write_form(file, folder, "-".join([Path(row.path).stem, *_words(options)]))
    _keep(job, path, sha256, report)


def _words(options: dict[str, Any]) -> list[str]:
    """What the file's name says of its form."""
    short = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
    rank, energy = options["rank"], options["energy"]
    words = [f"r{rank}" if rank else "", f"e{energy:g}" if energy else "", short.get(options["dtype"] or "", "")]
    return [word for word in [*words, options["layout"] or ""] if word]


def merged_checkpoint(job: MakingJob, folder: Path, stage: Stage) -> None:
    """The base with the adapters in it, as a .zip with the notices of all parts, for its maker alone."""
    stage("Reading the adapters")
    parts = parts_of(job)
    ingredients = [Ingredient(file_of(part.version), part.weight) for part in parts]
    checkpoint = Checkpoint(folder_of(job.base_model))
    stage("Merging, layer by layer")
    merged = merge_into_checkpoint(checkpoint, ingredients, folder / job.base_model.slug, digests=False)
    stage("Packing")
    files = [(path, str(path.relative_to(folder))) for path in sorted(merged.path.rglob("*")) if path.is_file()]
    notices = [
        (f"notices/{place:02}-NOTICE.txt", part.receipt.notice)
        for place, part in enumerate(job.parts.select_related("receipt"), start=1)
        if part.receipt is not None
    ]
    path = folder / f"{job.base_model.slug}-merged.zip"
    zipped(path, files, notices)
    report = {"layers_changed": merged.layers, "left_out": [list(pair) for pair in merged.left_out]}
    _keep(job, path, sha256_of(path), report)


def _keep(job: MakingJob, path: Path, sha256: str, report: dict[str, Any]) -> None:
    """Store the file; where the job was cancelled or given to another meanwhile, it goes again."""
    with path.open("rb") as file:
        key = default_storage.save(f"made/{job.pk}/{sha256}{path.suffix}", File(file))
    ended = making_finish(
        job=job, state=JobState.DONE, report=report, storage_key=key, filename=path.name,
        size=path.stat().st_size, sha256=sha256,
    )  # fmt: skip
    if not ended:
        default_storage.delete(key)
        raise Cancelled
