"""Adapter files, read into canonical form: safetensors only, every kind and layout, every tensor accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.engine.building import build
from inference.engine.deltas import ModuleDelta
from inference.engine.embeddings import Embedding, read_embeddings
from inference.engine.errors import AdapterError
from inference.engine.files import AdapterFile, read_file
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

    file: AdapterFile
    deltas: tuple[ModuleDelta, ...]
    embeddings: tuple[Embedding, ...]
    unread: tuple[Skipped, ...]

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.file.metadata

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
    return interpret(read_file(path, digest=False), token=token)


def interpret(file: AdapterFile, *, token: str | None = None) -> Adapter:
    """The canonical form of a file's content."""
    embeddings, tensors = read_embeddings(file.tensors, file.metadata, token or file.name, given=token)
    names = grouped(tuple(tensors))
    config = read_config(file.metadata, file.beside)
    deltas = [
        delta
        for module, slots in names.modules.items()
        for delta in build(module, {slot: tensors[key] for slot, key in slots.items()}, config)
    ]
    if not deltas and not embeddings:
        raise _no_adapter(names.others)
    unread = tuple(Skipped(key, "This tensor belongs to no adapter kind.") for key in names.others)
    return Adapter(file, tuple(deltas), embeddings, unread)


def _no_adapter(others: tuple[str, ...]) -> AdapterError:
    if not others:
        return AdapterError("The file holds no adapter.", "It contains no tensors.", "Upload the trained file.")
    examples = ", ".join(f"“{key}”" for key in others[:3])
    return AdapterError(
        "The file holds no adapter.",
        f"None of its {len(others)} tensors has a name of a known adapter kind (it has {examples}).",
        "If this is a full checkpoint, extract an adapter from it first.",
    )
