"""Random numbers as a function of where they are used: seed, purpose, step, place.

No generator runs on from step to step, so there is no state to save, to restore or to disturb: whatever happens between
two steps (a restart, sample pictures, a smaller micro-batch, more GPUs), a picture gets the same noise at a step.
"""

from __future__ import annotations

import hashlib

import torch


def derived(seed: int, *place: int | str) -> int:
    """A 63-bit seed for one place in a run."""
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *place: int | str) -> torch.Generator:
    """A fresh generator for one place in a run. It lives on the CPU, so that every device gets the same numbers."""
    return torch.Generator("cpu").manual_seed(derived(seed, *place))


def shuffled(count: int, seed: int, *place: int | str) -> list[int]:
    """A permutation of range(count)."""
    order: list[int] = torch.randperm(count, generator=generator(seed, *place)).tolist()
    return order
