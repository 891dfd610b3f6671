"""Writing the result: each layout in a file of its own, read again and compared before it counts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from registry.artifacts import ArtifactRefused, inspect_file
from training.engine.errors import TrainingError
from training.engine.events import Phase, Verified
from training.engine.families.processes import Diffusion
from training.engine.jobs import WrittenAdapter
from training.engine.layouts import Laid, all_layouts
from training.engine.metadata import metadata_of
from training.engine.session import Session
from training.engine.verifying import TOLERANCE, diffusers_scales, worst_difference

_WHOLE = (".dora_scale", ".lora_magnitude_vector")


def write_results(run: Session) -> tuple[WrittenAdapter, ...]:
    """The files of the current step. Raises TrainingError where one does not do what the trained network does."""
    if not run.place.is_main:
        return ()
    folder = run.job.folder / "result" / f"step-{run.step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with run.averaged(), run.network.at(1.0):
        layouts = list(all_layouts(run.network, run.family, run.config))
        for number, laid in enumerate(layouts):
            run.tell(Phase("write", number, len(layouts)))
            found.append(_written(run, folder / f"adapter-{laid.layout}.safetensors", laid))
    run.tell(Phase("write", len(found), len(found)))
    return tuple(found)


def _written(run: Session, path: Path, laid: Laid) -> WrittenAdapter:
    """In float16 where that loses nothing that shows, else in float32."""
    process = run.family.process
    prediction = {"v_prediction": "v"}.get(process.prediction, "epsilon") if isinstance(process, Diffusion) else ""
    facts = metadata_of(run.job, laid, run.network, run.step, prediction)
    scales = diffusers_scales(laid, run.network) if laid.layout == "diffusers" else {}
    difference = float("inf")
    for dtype in (torch.float16, torch.float32):
        data = file_bytes({name: _as(name, tensor, dtype) for name, tensor in laid.tensors.items()}, facts)
        _write(path, data)
        difference = worst_difference(path, laid, run.network, scales)
        if difference <= TOLERANCE:
            break
    else:
        path.unlink()
        raise _differs(laid.layout, difference)
    _inspect(path, run)
    run.tell(Verified(path, difference))
    return WrittenAdapter(path, laid.layout, hashlib.sha256(data).hexdigest(), run.step, difference)


def _as(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy in this format. IA³'s flag stays a whole number, and a DoRA's few lengths stay float32: they are as large
    as the base's weights, so that rounding them would cost more than the training changed."""
    plain = tensor.detach().cpu()
    keep = not plain.is_floating_point() or name.endswith(_WHOLE)
    return (plain if keep else plain.to(dtype)).contiguous().clone()


def file_bytes(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """A safetensors file with the hash of its tensors in its metadata; the same content always gives the same bytes."""
    ordered = dict(sorted(tensors.items()))
    digest = _data_digest(save(ordered, dict(facts)))
    hashes = {"modelspec.hash_sha256": f"0x{digest}", "sshs_model_hash": digest}
    return _sorted_header(save(ordered, {**facts, **hashes}))


def _data_digest(data: bytes) -> str:
    """SHA-256 of the tensors' bytes, which ModelSpec and the web UIs call the model's hash."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _sorted_header(data: bytes) -> bytes:
    """The metadata in order, which safetensors writes in another one each time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".partial-{path.name}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _inspect(path: Path, run: Session) -> None:
    """The registry has to accept what is written here."""
    try:
        inspect_file(path, declared_family=run.job.base.family)
    except ArtifactRefused as error:
        raise TrainingError(
            "The written file is no adapter that the registry accepts.",
            f"{path.name}: {error}",
            "This is a fault of the trainer; please report it. The checkpoint is kept.",
            "file-refused",
        ) from error


def _differs(layout: str, difference: float) -> TrainingError:
    return TrainingError(
        "The written file does not do what was trained.",
        f"Read again, the {layout} file differs from the network by {difference:.2%} of its effect.",
        "This is a fault of the trainer; please report it. The checkpoint is kept.",
        "file-differs",
    )
