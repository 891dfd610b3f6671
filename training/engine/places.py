"""Where a run computes: the device, the number format, and this process among its fellows (by accelerate)."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from training.engine.config import Precision
from training.engine.errors import TrainingError

HALVES = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}


@dataclass(frozen=True)
class Place:
    """The device of this process, and how it computes."""

    device: torch.device
    precision: Precision
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and tells the events."""
        return self.rank == 0

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen base: half on a GPU; a CPU keeps it whole, since its norms take no mixed formats."""
        return HALVES.get(self.precision, torch.float32) if self.device.type == "cuda" else torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        half = HALVES.get(self.precision)
        return nullcontext() if half is None else torch.autocast(self.device.type, half)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            PartialState().wait_for_everyone()

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.world > 1:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def agreed(self, value: int) -> int:
        """The largest of the processes' values, so that all take the same way."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device=self.device)
        torch.distributed.all_reduce(tensor, op=torch.distributed.ReduceOp.MAX)
        return int(tensor)

    def peak_memory(self) -> int:
        """Bytes: of the GPU since `find_place`, of the whole process on a CPU."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def forget(self) -> None:
        """Give back cached memory after an allocation that failed."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def find_rank() -> int:
    """The number of this process among its fellows, as their launcher says; 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def find_place(device: str, precision: Precision) -> Place:
    """The place of this process: one of several under `accelerate launch`, else the device that was asked for."""
    rank, world = 0, 1
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        state = PartialState(cpu=device == "cpu")
        rank, world, found = state.process_index, state.num_processes, state.device
    else:
        found = torch.device(device)
    if found.type == "cuda":
        if not torch.cuda.is_available():
            raise TrainingError(
                "The run cannot start on a GPU.",
                f"{device} was asked for, and this machine has no CUDA device that torch can use.",
                "Choose the CPU, or a worker with a GPU.",
                "no-gpu",
            )
        torch.cuda.reset_peak_memory_stats(found)
    return Place(found, precision, rank, world)


@contextmanager
def awake(place: Place, parts: Sequence[Any]) -> Iterator[None]:
    """Parts of the pipeline that rest in main memory while they are not needed, on the device for a while."""
    for part in parts:
        part.to(place.device)
    try:
        yield
    finally:
        rest(place, parts)


def rest(place: Place, parts: Sequence[Any]) -> None:
    """Put parts of the pipeline into main memory; on a CPU they are there already."""
    if place.device.type == "cpu":
        return
    for part in parts:
        part.to("cpu")
    place.forget()
