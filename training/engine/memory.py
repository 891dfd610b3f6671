"""Too little memory: how it shows, and what a person is told where less at once would not help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.engine.errors import TrainingError

# What torch's allocator of main memory says; the GPU's has a class of its own. c10/core/impl/alloc_cpu.cpp
_CPU = ("can't allocate memory", "not enough memory", "Cannot allocate memory")
REMEDY = (
    "Switch gradient checkpointing on, use bf16 or a quantised base, lower the resolution, or choose a larger machine."
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, of whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU)


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".") or "out of memory"


def memory_error(doing: str, why: str) -> TrainingError:
    """What is raised instead, with what was being done ("while …")."""
    return TrainingError(
        "The run needs more memory than this machine has.", f"It ran out {doing} ({why}).", REMEDY, "out-of-memory"
    )


@contextmanager
def memory_told(doing: str) -> Iterator[None]:
    """Turn what the allocators raise into a TrainingError that says what was being done."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise memory_error(doing, first_line(error)) from error
