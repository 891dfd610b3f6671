"""Safetensors files for tests, sound and broken, written byte by byte."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.artifacts.dtypes import BITS

Shapes = Mapping[str, tuple[int, ...]]


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def raw_file(path: Path, header: bytes | str, data: bytes = b"", *, length: int | None = None) -> Path:
    """A file of exactly this header and data, however broken."""
    head = header.encode() if isinstance(header, str) else header
    path.write_bytes(struct.pack("<Q", len(head) if length is None else length) + head + data)
    return path


def header_file(path: Path, header: Mapping[str, Any], data: bytes = b"") -> Path:
    head = json.dumps(header).encode()
    return raw_file(path, head + b" " * (-len(head) % 8), data)


def adapter_file(
    path: Path,
    shapes: Shapes,
    *,
    metadata: Mapping[str, str] | None = None,
    dtype: str = "F32",
    values: Mapping[str, bytes] | None = None,
) -> Path:
    """A sound file of zeros in these shapes; `values` gives the bytes of some tensors."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    chunks: list[bytes] = []
    at = 0
    for name, shape in shapes.items():
        size = BITS[dtype] // 8
        for length in shape:
            size *= length
        chunk = (values or {}).get(name, bytes(size))
        header[name] = entry(list(shape), at, at + len(chunk), dtype)
        chunks.append(chunk)
        at += len(chunk)
    return header_file(path, header, b"".join(chunks))


def lora(module: str, *, into: int = 768, out: int = 320, rank: int = 4) -> dict[str, tuple[int, ...]]:
    """A kohya LoRA module."""
    return {
        f"{module}.lora_down.weight": (rank, into),
        f"{module}.lora_up.weight": (out, rank),
        f"{module}.alpha": (),
    }


def peft(module: str, *, into: int = 768, out: int = 320, rank: int = 4) -> dict[str, tuple[int, ...]]:
    """A PEFT LoRA module."""
    return {f"{module}.lora_A.weight": (rank, into), f"{module}.lora_B.weight": (out, rank)}
