"""Safetensors files read and written tensor by tensor: memory stays near the largest tensor, not the file."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.engine.errors import EngineError
from inference.engine.files import header

TYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""What can be computed with; tensors of other types are copied as bytes."""
_CHUNK = 1 << 20
_METADATA = "__metadata__"


@dataclass(frozen=True)
class Stored:
    """Where one tensor lies in its file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class TensorStore:
    """The tensors of one safetensors file. The header is checked by the format's own library when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt", device="cpu"), path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                entries = json.loads(file.read(length))
        except (SafetensorError, OSError) as error:
            raise EngineError(
                "The checkpoint cannot be read.",
                f"{path.name} is no sound safetensors file: {error}.",
                "Get the file again; pickle files (.ckpt, .pt, .bin) are never opened, because they can run code.",
            ) from error
        self.metadata: dict[str, str] = entries.pop(_METADATA, {})
        data = 8 + length
        self.tensors = {
            name: Stored(entry["dtype"], tuple(entry["shape"]), *(data + side for side in entry["data_offsets"]))
            for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"])
        }

    def read(self, name: str) -> Tensor:
        """One tensor, in its own type. Raises EngineError for a type that cannot be computed with."""
        stored = self.tensors[name]
        if stored.dtype not in TYPES:
            raise EngineError(
                "The checkpoint cannot be used here.",
                f"The tensor “{name}” in {self.path.name} is quantised ({stored.dtype}).",
                "Use the checkpoint in float32, float16 or bfloat16.",
            )
        with self.path.open("rb") as file:
            file.seek(stored.start)
            content = bytearray(file.read(stored.stop - stored.start))
        if not content:
            return torch.empty(stored.shape, dtype=TYPES[stored.dtype])
        return torch.frombuffer(content, dtype=TYPES[stored.dtype]).reshape(stored.shape)

    def copy(self, name: str, into: BinaryIO) -> None:
        """The bytes of one tensor."""
        stored = self.tensors[name]
        with self.path.open("rb") as file:
            file.seek(stored.start)
            left = stored.stop - stored.start
            while left:
                chunk = file.read(min(_CHUNK, left))
                into.write(chunk)
                left -= len(chunk)


def rewrite(
    store: TensorStore, path: Path, changed: Callable[[str], Tensor | None], metadata: Mapping[str, str]
) -> None:
    """The same file with some tensors replaced, in the same order, types and shapes; whole or not at all.

    `changed` gives the new tensor, or None to copy the old one's bytes.
    """
    with _whole(path) as file:
        sizes = {name: (one.dtype, one.shape, one.stop - one.start) for name, one in store.tensors.items()}
        file.write(header(sizes, {**store.metadata, **metadata}))
        for name in store.tensors:
            tensor = changed(name)
            if tensor is None:
                store.copy(name, file)
            else:
                _write(file, tensor, store.tensors[name])


def _write(file: BinaryIO, tensor: Tensor, stored: Stored) -> None:
    tensor = tensor.to(TYPES[stored.dtype]).contiguous()
    assert tuple(tensor.shape) == stored.shape
    file.write(tensor.flatten().view(torch.uint8).numpy().data)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def copy_other_files(source: Path, target: Path, weights: Callable[[Path], bool]) -> None:
    """Everything but weights: configurations, tokenizers, licences."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and not weights(path):
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied)
