"""One entry of the header: its number format, shape and place, and whether all places together tile the file."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from registry.artifacts.dtypes import BITS
from registry.artifacts.errors import refuse, shown

FIELDS = frozenset({"dtype", "shape", "data_offsets"})
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**48  # far above any model, far below what overflows 64 bits


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor; `start` and `end` are bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def elements(self) -> int:
        return prod(self.shape)


def tensor_info(name: str, entry: object) -> TensorInfo:
    """Check one entry by itself; raises ArtifactRefused."""
    if not isinstance(entry, dict):
        refuse(
            "entry-not-object",
            f"The entry of {shown(name)} is not an object.",
            "Each tensor is described by dtype, shape and data_offsets.",
        )
    if missing := sorted(FIELDS - entry.keys()):
        refuse(
            "entry-field-missing",
            f"The entry of {shown(name)} lacks {', '.join(missing)}.",
            "Without it the tensor cannot be found in the file.",
        )
    if extra := sorted(entry.keys() - FIELDS):
        refuse(
            "entry-field-extra",
            f"The entry of {shown(name)} has the unknown field {shown(extra[0])}.",
            "The format knows dtype, shape and data_offsets; anything else can hide data.",
        )
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in BITS:
        refuse(
            "dtype-unknown",
            f"The tensor {shown(name)} has the unknown number format {shown(str(dtype))}.",
            "No program could read its values.",
        )
    shape = _shape(name, entry["shape"])
    start, end = _offsets(name, entry["data_offsets"])
    bits = prod(shape) * BITS[dtype]
    if bits % 8 or bits // 8 != end - start:
        refuse(
            "size-mismatch",
            f"The tensor {shown(name)} has the wrong size.",
            f"Shape {list(shape)} in {dtype} takes {bits / 8:,.0f} bytes, but {end - start:,} are reserved.",
        )
    return TensorInfo(dtype, shape, start, end)


def _shape(name: str, shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        refuse(
            "shape-not-integers",
            f"The shape of {shown(name)} is not a list of integers.",
            "Sizes are whole numbers.",
        )
    if len(shape) > MAX_DIMENSIONS:
        refuse(
            "too-many-dimensions",
            f"The tensor {shown(name)} has {len(shape)} dimensions.",
            f"No layer has more than {MAX_DIMENSIONS}; such shapes crash programs that load them.",
        )
    if any(size < 0 for size in shape):
        refuse(
            "shape-negative",
            f"The tensor {shown(name)} has a negative size.",
            f"Its shape is {shape[:MAX_DIMENSIONS]}.",
        )
    if any(size == 0 for size in shape):
        refuse(
            "zero-dimension",
            f"The tensor {shown(name)} has a dimension of size 0.",
            "It holds no values, whatever its other sizes claim.",
        )
    if prod(shape) > MAX_ELEMENTS:
        refuse(
            "shape-overflow",
            f"The tensor {shown(name)} claims more elements than any file holds.",
            f"Its shape is {shape}.",
        )
    return tuple(shape)


def _offsets(name: str, offsets: object) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(at) is int for at in offsets):
        refuse(
            "offsets-not-integers",
            f"The data_offsets of {shown(name)} are not two integers.",
            "They say where the tensor starts and ends.",
        )
    start, end = offsets
    if start < 0 or end < 0:
        refuse(
            "offsets-negative",
            f"The data_offsets of {shown(name)} are negative.",
            f"They are {start} and {end}, which points in front of the data.",
        )
    if end < start:
        refuse(
            "offsets-reversed",
            f"The tensor {shown(name)} ends before it starts.",
            f"Its data_offsets are {start} and {end}.",
        )
    return start, end


def check_layout(tensors: Mapping[str, TensorInfo], data_bytes: int) -> None:
    """The tensors must tile the data exactly: no overlap, no hole, nothing behind, nothing cut off."""
    position, before = 0, ""
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start < position:
            refuse(
                "overlap",
                f"The tensors {shown(before)} and {shown(name)} overlap.",
                f"{shown(name)} starts at byte {info.start:,}, but {shown(before)} ends at {position:,}.",
            )
        if info.start > position:
            refuse(
                "hole",
                f"{info.start - position:,} bytes in front of {shown(name)} belong to no tensor.",
                "Such gaps can hide other content.",
            )
        position, before = info.end, name
    if position > data_bytes:
        refuse(
            "truncated",
            "The file ends before its last tensor does.",
            f"The tensors need {position:,} bytes, but only {data_bytes:,} follow the header.",
            "Upload it again; the file was cut off on its way.",
        )
    if position < data_bytes:
        refuse(
            "trailing-data",
            f"{data_bytes - position:,} bytes follow behind the last tensor.",
            "They belong to no tensor and can hide other content.",
        )


def misaligned(tensors: Mapping[str, TensorInfo], data_start: int) -> list[str]:
    """Tensors whose bytes do not start at a multiple of their number's size; these cannot be memory-mapped."""
    return [
        name
        for name, info in tensors.items()
        if (size := BITS[info.dtype] // 8) > 1 and (data_start + info.start) % size
    ]


def scalar(dtype: str, raw: bytes) -> float | None:
    """The value of a one-element tensor, or None where the format is none of the common ones."""
    if dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    code = {
        "F16": "<e",
        "F32": "<f",
        "F64": "<d",
        "I64": "<q",
        "I32": "<i",
        "I16": "<h",
        "I8": "<b",
        "U8": "<B",
        "BOOL": "<B",
    }
    return float(struct.unpack(code[dtype], raw)[0]) if dtype in code else None
