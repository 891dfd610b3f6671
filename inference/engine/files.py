"""Adapter files as they are: tensors by name, metadata, digest; read whole, written in one stable order."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.engine.errors import AdapterError, EngineError
from inference.engine.lineage import Parent

_CHUNK = 1 << 20
TYPES: Mapping[torch.dtype, str] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""torch's types by the names of the format."""


@dataclass(frozen=True)
class AdapterFile:
    """The content of one safetensors file."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    name: str = ""
    sha256: str = ""
    """Of the file it was read from; "" for one that was made here and not yet written."""
    beside: str = ""
    """The adapter_config.json that PEFT writes beside its own files."""

    @property
    def parent(self) -> Parent:
        return Parent(self.name, self.sha256)

    def described(self, metadata: Mapping[str, str]) -> "AdapterFile":
        """The same with further metadata."""
        return replace(self, metadata={**self.metadata, **metadata})

    def same_as(self, other: "AdapterFile") -> bool:
        """Whether every name, shape, type, bit and metadata entry is the same."""
        if self.tensors.keys() != other.tensors.keys() or dict(self.metadata) != dict(other.metadata):
            return False
        return all(same_bits(tensor, other.tensors[key]) for key, tensor in self.tensors.items())


def same_bits(first: Tensor, second: Tensor) -> bool:
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(first.contiguous().flatten().view(torch.uint8), second.contiguous().flatten().view(torch.uint8))


def read_file(path: Path | str, *, digest: bool = True) -> AdapterFile:
    """All tensors of a file, checked for numbers that cannot be used. Raises AdapterError where it is no sound file.

    `digest=False` leaves out the SHA256, which takes longer than all the rest; lineage then knows the name alone.
    """
    path = Path(path)
    with opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata() or {})
    refuse_unusable_numbers(tensors)
    return AdapterFile(tensors, metadata, path.stem, sha256_of(path) if digest else "", config_beside(path))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file with its header read and found sound. Raises AdapterError where it is not."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
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


def config_beside(path: Path) -> str:
    """The text of PEFT's adapter_config.json, where the file is one that PEFT reads with it; else ""."""
    beside = path.with_name("adapter_config.json")
    if path.name != "adapter_model.safetensors" or not beside.is_file():
        return ""
    try:
        return beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(
            "The adapter's configuration cannot be read.",
            f"adapter_config.json beside {path.name} is no text: {error}.",
            "Upload both files again as PEFT wrote them.",
        ) from error


def write_file(file: AdapterFile, path: Path | str) -> AdapterFile:
    """Write it, whole or not at all (and PEFT's configuration beside it); returns it with its digest."""
    path = Path(path)
    if file.beside and path.name != "adapter_model.safetensors":
        raise EngineError(
            "The adapter cannot be written under this name.",
            "PEFT finds the alpha of its layers in adapter_config.json beside adapter_model.safetensors.",
            "Write it as adapter_model.safetensors in a folder of its own.",
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        _write(file, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if file.beside:
        path.with_name("adapter_config.json").write_text(file.beside, encoding="utf-8")
    return replace(file, name=path.stem, sha256=sha256_of(path))


def _write(file: AdapterFile, path: Path) -> None:
    """In one order: the format's own library writes metadata in one that changes from run to run."""
    names = sorted(file.tensors, key=lambda name: (-file.tensors[name].element_size(), name))
    whole = {name: file.tensors[name].contiguous() for name in names}
    sizes = {name: (TYPES[tensor.dtype], tensor.shape, tensor.nbytes) for name, tensor in whole.items()}
    with path.open("wb") as out:
        out.write(header(sizes, file.metadata))
        for tensor in whole.values():
            out.write(tensor.flatten().view(torch.uint8).numpy().data)


def header(tensors: Mapping[str, tuple[str, Sequence[int], int]], metadata: Mapping[str, str]) -> bytes:
    """The first bytes of a safetensors file: name → (type, shape, bytes), in the order of the tensors."""
    start, entries = 0, {}
    for name, (dtype, shape, size) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + size]}
        start += size
    described = {"__metadata__": dict(sorted(metadata.items())), **entries} if metadata else entries
    text = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def refuse_unusable_numbers(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            found = "NaN (not a number)" if bool(tensor.float().isnan().any()) else "infinite values"
            raise AdapterError(
                "The adapter holds unusable numbers.",
                f"The tensor “{name}” contains {found}; every picture made with it would be black or noise.",
                "The training diverged: use an earlier checkpoint, or train again with a lower learning rate.",
            )
