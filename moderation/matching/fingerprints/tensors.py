"""Tensors of a safetensors file as float32 arrays, read one at a time, whatever their number format."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.matching.fingerprints.errors import FingerprintError
from registry.artifacts.errors import shown
from registry.artifacts.header import Header, read_header

Floats = NDArray[np.float32]
STRETCH = 32 * 1024 * 1024  # bytes of a large tensor read at once
_PLAIN: dict[str, str] = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}
# 8-bit formats: exponent bits, mantissa bits, bias, the patterns that are no numbers. Sources: OCP 8-bit Floating Point
# Specification 1.0 (E4M3, E5M2) and the FNUZ variants of Graphcore and AMD (one NaN, where minus zero would be).
_SMALL: dict[str, tuple[int, int, int]] = {
    "F8_E4M3": (4, 3, 7),
    "F8_E5M2": (5, 2, 15),
    "F8_E4M3FNUZ": (4, 3, 8),
    "F8_E5M2FNUZ": (5, 2, 16),
}


def _table(dtype: str) -> Floats:
    """The value of every byte in an 8-bit format; NaN and infinity are NaN."""
    exponents, mantissas, bias = _SMALL[dtype]
    codes = np.arange(256)
    sign = np.where(codes & 0x80, -1.0, 1.0)
    exponent, mantissa = (codes >> mantissas) & (2**exponents - 1), codes & (2**mantissas - 1)
    normal = (1 + mantissa / 2**mantissas) * 2.0 ** (exponent - bias)
    values = sign * np.where(exponent == 0, mantissa / 2**mantissas * 2.0 ** (1 - bias), normal)
    if dtype.endswith("FNUZ"):
        values[0x80] = np.nan
    elif dtype == "F8_E4M3":
        values[[0x7F, 0xFF]] = np.nan
    else:
        values[exponent == 2**exponents - 1] = np.nan
    table: Floats = values.astype(np.float32)
    return table


_TABLES = {dtype: _table(dtype) for dtype in _SMALL}


class TensorFile:
    """An open adapter file: its header, checked, and its tensors on demand."""

    def __init__(self, handle: int, header: Header) -> None:
        self._handle = handle
        self.header = header

    def shape(self, name: str) -> tuple[int, ...]:
        return self.header.tensors[name].shape

    def read(self, name: str) -> Floats:
        """The whole tensor in float32; raises FingerprintError for NaN, infinity, or a format without numbers."""
        info = self.header.tensors[name]
        return self._values(name, info.start, info.end).reshape(info.shape)

    def read_rows(self, name: str) -> Iterator[Floats]:
        """Rows [n, …], flattened to two dimensions, of a tensor that may be too large to hold; one after the other."""
        info = self.header.tensors[name]
        rows = info.shape[0] if info.shape else 1
        width = (info.end - info.start) // max(rows, 1)
        step = max(1, STRETCH // max(width, 1))
        for first in range(0, rows, step):
            last = min(rows, first + step)
            values = self._values(name, info.start + first * width, info.start + last * width)
            yield values.reshape(last - first, -1)

    def _values(self, name: str, start: int, end: int) -> Floats:
        raw = os.pread(self._handle, end - start, self.header.data_start + start)
        if len(raw) != end - start:
            raise FingerprintError(f"The file ends inside the tensor {shown(name)}. Upload it again.")
        values = _decoded(self.header.tensors[name].dtype, raw, name)
        if not np.isfinite(values).all():
            raise FingerprintError(
                f"The tensor {shown(name)} holds NaN or infinite values, so the adapter cannot be compared with "
                "others. Use an earlier checkpoint, or train again with a lower learning rate."
            )
        return values


def _decoded(dtype: str, raw: bytes, name: str) -> Floats:
    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype in _TABLES:
        return _TABLES[dtype][np.frombuffer(raw, np.uint8)]
    if dtype not in _PLAIN:
        raise FingerprintError(
            f"The tensor {shown(name)} is in the number format {dtype}, which adapters do not use and which is not "
            "read here. Save the adapter in half or single precision."
        )
    values: NDArray[Any] = np.frombuffer(raw, _PLAIN[dtype])
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        return values.astype(np.float32)


@contextmanager
def opened(path: Path) -> Iterator[TensorFile]:
    """The file, open for reading; raises ArtifactRefused where it is no sound safetensors file."""
    header = read_header(path)
    with path.open("rb") as file:
        yield TensorFile(file.fileno(), header)
