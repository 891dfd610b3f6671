"""One entry of the header: its number format, shape and place, and whether all places together tile the file."""

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import prod
from typing import Annotated, NoReturn

import msgspec

from registry.artifacts.dtypes import BITS
from registry.artifacts.errors import refuse, shown

FIELDS = frozenset({"dtype", "shape", "data_offsets"})
MAX_DIMENSIONS = 8
_WHOLE = frozenset({int})  # and not bool, which isinstance would let through
MAX_ELEMENTS = 2**48  # far above any model, far below what overflows 64 bits


class TensorInfo(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What the header says of one tensor; `start` and `end` are bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[Annotated[int, msgspec.Meta(ge=0)], int]

    @property
    def start(self) -> int:
        return self.data_offsets[0]

    @property
    def end(self) -> int:
        return self.data_offsets[1]

    @property
    def elements(self) -> int:
        return prod(self.shape)


def all_sound(infos: Iterable[TensorInfo]) -> bool:
    """Whether `tensor_info` would take them all; asked once for each sort, of which a file has a few dozen."""
    places = {(info.dtype, info.shape, info.data_offsets[1] - info.data_offsets[0]) for info in infos}
    return all(_bits(dtype, shape) == 8 * size for dtype, shape, size in places)


def tensor_info(name: str, entry: object) -> TensorInfo:
    """Check one entry by itself; raises ArtifactRefused."""
    if not isinstance(entry, dict):
        refuse(
            "entry-not-object",
            f"The entry of {shown(name)} is not an object.",
            "Each tensor is described by dtype, shape and data_offsets.",
        )
    if entry.keys() != FIELDS:
        _refuse_fields(name, entry)
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in BITS:
        refuse(
            "dtype-unknown",
            f"The tensor {shown(name)} has the unknown number format {shown(str(dtype))}.",
            "No program could read its values.",
        )
    shape = entry["shape"]
    if not isinstance(shape, list) or not _WHOLE.issuperset(map(type, shape)):
        refuse(
            "shape-not-integers",
            f"The shape of {shown(name)} is not a list of integers.",
            "Sizes are whole numbers.",
        )
    sizes = tuple(shape)
    bits = _bits(dtype, sizes)
    if bits is None:
        _refuse_shape(name, shape)
    start, end = _offsets(name, entry["data_offsets"])
    if bits != 8 * (end - start):
        refuse(
            "size-mismatch",
            f"The tensor {shown(name)} has the wrong size.",
            f"Shape {shape} in {dtype} takes {bits / 8:,.0f} bytes, but {end - start:,} are reserved.",
        )
    return TensorInfo(dtype, sizes, (start, end))


@lru_cache(maxsize=1024)  # a file has thousands of tensors in a few dozen shapes
def _bits(dtype: str, shape: tuple[int, ...]) -> int | None:
    """How many bits a tensor has; None where no tensor may have such a format or shape."""
    if dtype not in BITS or len(shape) > MAX_DIMENSIONS or (shape and min(shape) <= 0):
        return None
    elements = prod(shape)
    return elements * BITS[dtype] if elements <= MAX_ELEMENTS else None


def _refuse_fields(name: str, entry: Mapping[str, object]) -> NoReturn:
    if missing := sorted(FIELDS - entry.keys()):
        refuse(
            "entry-field-missing",
            f"The entry of {shown(name)} lacks {', '.join(missing)}.",
            "Without it the tensor cannot be found in the file.",
        )
    extra = sorted(entry.keys() - FIELDS)
    refuse(
        "entry-field-extra",
        f"The entry of {shown(name)} has the unknown field {shown(extra[0])}.",
        "The format knows dtype, shape and data_offsets; anything else can hide data.",
    )


def _refuse_shape(name: str, shape: list[int]) -> NoReturn:
    if len(shape) > MAX_DIMENSIONS:
        refuse(
            "too-many-dimensions",
            f"The tensor {shown(name)} has {len(shape)} dimensions.",
            f"No layer has more than {MAX_DIMENSIONS}; such shapes crash programs that load them.",
        )
    if min(shape) < 0:
        refuse(
            "shape-negative",
            f"The tensor {shown(name)} has a negative size.",
            f"Its shape is {shape[:MAX_DIMENSIONS]}.",
        )
    if 0 in shape:
        refuse(
            "zero-dimension",
            f"The tensor {shown(name)} has a dimension of size 0.",
            "It holds no values, whatever its other sizes claim.",
        )
    refuse(
        "shape-overflow",
        f"The tensor {shown(name)} claims more elements than any file holds.",
        f"Its shape is {shape}.",
    )


def _offsets(name: str, offsets: object) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not _WHOLE.issuperset(map(type, offsets)):
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
    starts, ends = zip(*(info.data_offsets for info in tensors.values()), strict=True)
    if starts == (0, *ends[:-1]) and ends[-1] == data_bytes:
        return  # each begins where the one before it ends, as files are written
    position, before = 0, ""
    for start, end, name in sorted((info.start, info.end, name) for name, info in tensors.items()):
        if start < position:
            refuse(
                "overlap",
                f"The tensors {shown(before)} and {shown(name)} overlap.",
                f"{shown(name)} starts at byte {start:,}, but {shown(before)} ends at {position:,}.",
            )
        if start > position:
            refuse(
                "hole",
                f"{start - position:,} bytes in front of {shown(name)} belong to no tensor.",
                "Such gaps can hide other content.",
            )
        position, before = end, name
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
    widest = max((_BYTES[dtype] for dtype in {info.dtype for info in tensors.values()}), default=1)
    if widest <= 1 or not any((data_start + info.data_offsets[0]) % widest for info in tensors.values()):
        return []
    return [
        name
        for name, info in tensors.items()
        if (size := _BYTES[info.dtype]) > 1 and (data_start + info.data_offsets[0]) % size
    ]


def _brain_float(raw: bytes) -> tuple[float]:
    return (float(struct.unpack("<f", b"\0\0" + raw)[0]),)


_BYTES = {dtype: bits // 8 for dtype, bits in BITS.items()}
_FORMATS = {"F16": "<e", "F32": "<f", "F64": "<d", "I64": "<q", "I32": "<i", "I16": "<h", "I8": "<b", "U8": "<B"}
_SCALARS: dict[str, Callable[[bytes], tuple[float, ...]]] = {
    **{dtype: struct.Struct(code).unpack for dtype, code in {**_FORMATS, "BOOL": "<B"}.items()},
    "BF16": _brain_float,
}


def scalar(dtype: str, raw: bytes) -> float | None:
    """The value of a one-element tensor, or None where the format is none of the common ones."""
    read = _SCALARS.get(dtype)
    return float(read(raw)[0]) if read else None
