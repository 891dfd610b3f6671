"""The numbers of an adapter file, read in one pass into one block of memory that is used again.

New memory is what loading would spend most of its time on: the system gives it page by page when it is first written.
So the block of an adapter that is let go serves the next one, and one is kept ready. The file is read in pieces that
stay in the processor's cache while they are turned into float32 and looked through for numbers that cannot be used.
"""

import itertools
import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from inference.engine.errors import AdapterError
from inference.engine.files import TYPES, AdapterFile, config_beside, opened, refuse_unusable_numbers

_PIECE = 4 << 20
"""Bytes of a file that are read at once."""
_SERIAL = 31 << 10
"""Numbers that torch handles in one thread: below its grain size. Waiting for a second one takes longer than the work
where other processes use the processor, and 124 KiB are still in its cache when they are summed up."""
_WASTE = 1.5
"""How many times larger than needed a used block may be."""
_DTYPES = {name: dtype for dtype, name in TYPES.items()}


@dataclass(eq=False)
class Block:
    """Float32 numbers of one adapter. Whoever uses a part of them holds on to this as well."""

    numbers: Tensor

    @property
    def bytes(self) -> int:
        return int(self.numbers.untyped_storage().nbytes())

    def holds(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() == self.numbers.untyped_storage().data_ptr()


class Blocks:
    """Memory for adapters on one device; on a GPU torch itself keeps what was used."""

    def __init__(self, device: torch.device, make_room: Callable[[int], None] = lambda size: None) -> None:
        self.device = device
        self._make_room = make_room
        """Asked before so many bytes are taken: what is given up now can be used again at once."""
        self._free: list[Tensor] = []
        self._piece = torch.zeros(_PIECE, dtype=torch.uint8)
        self._last = 0

    def take(self, count: int) -> Block:
        """Memory for so many numbers, used before where there is some that fits."""
        self._make_room(4 * count)
        self._last = count
        fitting = [one for one in self._free if count <= one.numel() <= max(1024, _WASTE * count)]
        if fitting:
            whole = min(fitting, key=Tensor.numel)
            self._free[:] = [one for one in self._free if one is not whole]
        else:
            self._free.clear()
            whole = torch.empty(count, dtype=torch.float32)
        block = Block(whole[:count])
        weakref.finalize(block, self._free.append, whole)
        return block

    def keep_ready(self, room: int) -> None:
        """Have one block as large as the last ready to be written, if it takes no more than `room` bytes."""
        del self._free[1:]
        if not self._free and 0 < 4 * self._last <= room:
            self._free.append(torch.zeros(self._last, dtype=torch.float32).fill_(0.0))

    @property
    def bytes(self) -> int:
        """Of the blocks that nobody uses."""
        return sum(one.nbytes for one in self._free)

    def piece(self) -> Tensor:
        return self._piece


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def count(self) -> int:
        return int(torch.Size(self.shape).numel())


def read_into_block(path: Path, memory: Blocks) -> tuple[AdapterFile, Block]:
    """The file with its floating-point tensors as float32 in one block on the device.

    Raises AdapterError where the file is missing or not sound, or holds NaN or infinite numbers.
    """
    with opened(path) as file:
        metadata = dict(file.metadata() or {})
        header, entries = _header(path)
        floats = [entry for entry in entries if entry.dtype.is_floating_point]
        others = {entry.name: file.get_tensor(entry.name) for entry in entries if not entry.dtype.is_floating_point}
    block = memory.take(sum(entry.count for entry in floats))
    finite = _fill(path, header, floats, block.numbers, memory.piece())
    if memory.device.type != "cpu":
        block = Block(block.numbers.to(memory.device))
    tensors = others | _views(floats, block.numbers)
    if not finite:
        refuse_unusable_numbers(tensors)  # says which; where it finds none, the sum alone was too large
    return AdapterFile(tensors, metadata, path.stem, beside=config_beside(path)), block


def _header(path: Path) -> tuple[int, list[_Entry]]:
    """Where the numbers begin, and the tensors in the order in which they lie; the header was found sound before."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        described: Mapping[str, Any] = json.loads(file.read(length))
    entries = [
        _Entry(name, _dtype(one["dtype"]), tuple(one["shape"]), *one["data_offsets"])
        for name, one in described.items()
        if name != "__metadata__"
    ]
    return 8 + length, sorted(entries, key=lambda entry: (entry.start, entry.stop))


def _dtype(name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise _unsound(f"it holds numbers of the type {name}, which torch has not")
    return _DTYPES[name]


def _unsound(why: str) -> AdapterError:
    return AdapterError("The adapter file cannot be read.", f"{why[0].upper()}{why[1:]}.", "Export or upload it again.")


def _fill(path: Path, header: int, entries: list[_Entry], numbers: Tensor, piece: Tensor) -> bool:
    """Read the tensors one behind the other into `numbers`; whether their sum is finite."""
    place, total = 0, torch.zeros(())
    with path.open("rb", buffering=0) as file:
        for run in _runs(entries):
            file.seek(header + run[0].start)
            for part in _parts(file, run, piece):
                target = numbers[place : place + part.numel()]
                for ours, theirs in zip(target.split(_SERIAL), part.split(_SERIAL), strict=True):
                    total += ours.copy_(theirs).sum()
                place += part.numel()
    return bool(total.isfinite())


def _runs(entries: list[_Entry]) -> Iterator[list[_Entry]]:
    """Tensors of one number type that follow one another in the file without a gap."""
    run: list[_Entry] = []
    for entry in entries:
        if run and (entry.dtype != run[-1].dtype or entry.start != run[-1].stop):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _parts(file: BinaryIO, run: list[_Entry], piece: Tensor) -> Iterator[Tensor]:
    left, view = run[-1].stop - run[0].start, memoryview(piece.numpy().data)
    while left:
        wanted = min(left, len(view))
        filled = 0
        while filled < wanted:
            got = file.readinto(view[filled:wanted])  # type: ignore[attr-defined]
            if not got:
                raise _unsound("it became shorter while it was read")
            filled += got
        yield piece[:wanted].view(run[0].dtype)
        left -= wanted


def _views(entries: list[_Entry], numbers: Tensor) -> dict[str, Tensor]:
    ends = list(itertools.accumulate(entry.count for entry in entries))
    return {
        entry.name: numbers[end - entry.count : end].view(entry.shape) for entry, end in zip(entries, ends, strict=True)
    }
