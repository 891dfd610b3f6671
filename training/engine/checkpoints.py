"""Checkpoints: a folder each, written whole or not at all, safetensors and JSON, with digests that show any damage.

A folder is written under another name, every file and the folder are forced to the disk, and then it is renamed. So
what has a checkpoint's name is whole, unless the disk itself lost something, which the digests show: then the one
before is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

FORMAT = 1
STATE = "state.json"
_NAME = "step-{:08d}"


class Torn(Exception):
    """A checkpoint that is not whole."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run goes on from, but for what follows from its job."""

    step: int
    facts: Mapping[str, Any]
    """Plain values: position in the pictures, optimizer's numbers, gradient scaler, size of micro-batches, identity."""
    tensors: Mapping[str, Mapping[str, Tensor]]
    """By file: `adapter`, `optimizer`, and `average` where there is one."""


class CheckpointFolder:
    """The checkpoints of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        return self.folder / _NAME.format(step)

    def steps(self) -> list[int]:
        """The steps of all checkpoints, the latest first; whether they are whole shows when they are read."""
        return sorted((int(path.name[5:]) for path in self.folder.glob("step-*[0-9]")), reverse=True)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint; when this returns, it is on the disk."""
        target = self.path(checkpoint.step)
        partial = target.with_name(f".partial-{target.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        files = {f"{name}.safetensors": save(_plain(tensors)) for name, tensors in checkpoint.tensors.items()}
        for name, data in files.items():
            _write(partial / name, data)
        _write(partial / STATE, _sealed(checkpoint, files))
        _sync(partial)
        if target.exists():  # of a run that was told to go back; equal or torn
            shutil.rmtree(target)
        partial.rename(target)
        _sync(self.folder)
        return target

    def read(self, step: int) -> Checkpoint:
        """A checkpoint whose digests hold. Raises Torn where it is damaged, FileNotFoundError where there is none."""
        folder = self.path(step)
        if not folder.is_dir():
            raise FileNotFoundError(folder)
        state = _state(folder)
        tensors = {Path(name).stem: _tensors(folder / name, digest) for name, digest in state["files"].items()}
        return Checkpoint(int(state["step"]), state["facts"], tensors)

    def keep(self, count: int) -> None:
        """Remove all but the latest; what a kill left half-written goes too."""
        for step in self.steps()[max(1, count) :]:
            shutil.rmtree(self.path(step))
        for partial in self.folder.glob(".partial-*"):
            shutil.rmtree(partial)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Own memory for each tensor: safetensors stores no shared one."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _sealed(checkpoint: Checkpoint, files: Mapping[str, bytes]) -> bytes:
    state = {
        "format": FORMAT,
        "step": checkpoint.step,
        "facts": checkpoint.facts,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    return json.dumps({**state, "digest": _digest(state)}, indent=1).encode()


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _state(folder: Path) -> dict[str, Any]:
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        digest = state.pop("digest")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Torn(f"{folder.name} has no readable {STATE}") from error
    if digest != _digest(state) or state.get("format") != FORMAT:
        raise Torn(f"{folder.name}/{STATE} does not have the content it was written with")
    found: dict[str, Any] = state
    return found


def _tensors(path: Path, digest: str) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Torn(f"{path.parent.name} lacks {path.name}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise Torn(f"{path.parent.name}/{path.name} does not have the content it was written with")
    try:
        found: dict[str, Tensor] = load(data)
    except SafetensorError as error:  # cannot be, behind an equal digest, unless it was written so
        raise Torn(f"{path.parent.name}/{path.name} is no safetensors file") from error
    return found


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def split(state: Any, prefix: str = "") -> tuple[Any, dict[str, Tensor]]:
    """An optimizer's state as plain values, its tensors apart: the inverse is `joined`.

    Kept are numbers, words, None, lists, tuples, mappings (with whole numbers as keys, too) and tensors of any shape.
    """
    if isinstance(state, Tensor):
        return {"tensor": prefix}, {prefix: state}
    if isinstance(state, dict):
        parts = [(key, *split(value, f"{prefix}/{key}")) for key, value in state.items()]
        plain: Any = {"dict": [[key, value] for key, value, _ in parts]}
    elif isinstance(state, list | tuple):
        parts = [(place, *split(value, f"{prefix}/{place}")) for place, value in enumerate(state)]
        plain = {type(state).__name__: [value for _, value, _ in parts]}
    elif state is None or isinstance(state, bool | int | float | str):
        return {"value": state}, {}
    else:
        raise TypeError(f"an optimizer's state holds a {type(state).__name__}, which a checkpoint cannot keep")
    return plain, {name: tensor for _, _, tensors in parts for name, tensor in tensors.items()}


def joined(plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """The state that `split` took apart."""
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: joined(part, tensors) for key, part in value}
    if kind in {"list", "tuple"}:
        parts = [joined(part, tensors) for part in value]
        return tuple(parts) if kind == "tuple" else parts
    return value


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number is one."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values() if tensor.is_floating_point())
