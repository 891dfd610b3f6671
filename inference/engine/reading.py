"""Adapter files, read into canonical form: safetensors only, every kind and layout, every tensor accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.engine.building import build
from inference.engine.deltas import ModuleDelta
from inference.engine.embeddings import Embedding, read_embeddings
from inference.engine.errors import AdapterError
from inference.engine.peft_config import read_config
from registry.artifacts.keys import grouped


@dataclass(frozen=True)
class Skipped:
    """A part of an adapter that was not applied, and why."""

    module: str
    why: str


@dataclass(frozen=True)
class Adapter:
    """An adapter in canonical form, independent of the layout its file had."""

    path: Path
    deltas: tuple[ModuleDelta, ...]
    embeddings: tuple[Embedding, ...]
    unread: tuple[Skipped, ...]
    metadata: Mapping[str, str]

    @property
    def kinds(self) -> frozenset[str]:
        kinds = {delta.kind for delta in self.deltas}
        return frozenset(kinds | {"textual-inversion"} if self.embeddings else kinds)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words that call the adapter's Textual Inversion embeddings."""
        return tuple(embedding.token for embedding in self.embeddings)


def read_adapter(path: Path | str, *, token: str | None = None) -> Adapter:
    """Read an adapter file; `token` is the word for an embedding whose file does not name one.

    Raises AdapterError where the file is no readable adapter, or could not be applied exactly.
    """
    path = Path(path)
    tensors, metadata = _tensors(path)
    _refuse_unusable_numbers(tensors)
    embeddings, tensors = read_embeddings(tensors, metadata, token or path.stem, given=token)
    names = grouped(tuple(tensors))
    config = read_config(path, metadata)
    deltas = [
        delta
        for module, slots in names.modules.items()
        for delta in build(module, {slot: tensors[key] for slot, key in slots.items()}, config)
    ]
    if not deltas and not embeddings:
        raise _no_adapter(names.others)
    unread = tuple(Skipped(key, "This tensor belongs to no adapter kind.") for key in names.others)
    return Adapter(path, tuple(deltas), embeddings, unread, metadata)


def _tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise AdapterError(
            "The adapter file is missing.", f"There is no file {path.name}.", "Upload it again."
        ) from error
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            "The adapter file cannot be read.",
            f"{path.name} is no sound safetensors file: {error}.",
            "Export it as safetensors; pickle files (.ckpt, .pt, .bin) are never opened, because they can run code.",
        ) from error


def _refuse_unusable_numbers(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            found = "NaN (not a number)" if bool(tensor.float().isnan().any()) else "infinite values"
            raise AdapterError(
                "The adapter holds unusable numbers.",
                f"The tensor “{name}” contains {found}; every picture made with it would be black or noise.",
                "The training diverged: use an earlier checkpoint, or train again with a lower learning rate.",
            )


def _no_adapter(others: tuple[str, ...]) -> AdapterError:
    if not others:
        return AdapterError("The file holds no adapter.", "It contains no tensors.", "Upload the trained file.")
    examples = ", ".join(f"“{key}”" for key in others[:3])
    return AdapterError(
        "The file holds no adapter.",
        f"None of its {len(others)} tensors has a name of a known adapter kind (it has {examples}).",
        "If this is a full checkpoint, extract an adapter from it first.",
    )
