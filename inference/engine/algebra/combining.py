"""How several changes of one layer become one: sum, TIES, DARE. Dense tensors in, one dense tensor out.

TIES: Yadav et al. 2023 (arXiv 2306.01708). DARE: Yu et al. 2024 (arXiv 2311.03099). Conventions where the papers leave
a choice are those of PEFT's `merge_utils`: weights multiply after the signs were elected, and the disjoint merge is a
mean over the adapters that agree.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def weighted_sum(changes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ wᵢ·Δᵢ"""
    return (torch.stack(list(changes)) * _column(weights, changes[0])).sum(0)


def largest(change: Tensor, density: float) -> Tensor:
    """The share `density` of entries with the largest magnitude; the others are 0."""
    count = int(density * change.numel())
    mask = torch.zeros(change.numel(), dtype=change.dtype)
    mask[torch.topk(change.abs().reshape(-1), count).indices] = 1
    return change * mask.reshape(change.shape)


def dropped(change: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """Each entry kept with the probability `density` and enlarged by 1 / density, so that the expectation stays."""
    if density >= 1:
        return change
    kept = torch.rand(change.shape, generator=generator) < density
    return change * kept / density


def elected(changes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The mean over those adapters whose sign is that of the sum, entry by entry."""
    stacked = torch.stack(list(changes))
    majority = torch.where(stacked.sum(0) >= 0, 1.0, -1.0)
    agreeing = stacked.sign() == majority
    total = (stacked * _column(weights, changes[0]) * agreeing).sum(0)
    return total / agreeing.sum(0).clamp(min=1)


def ties(changes: Sequence[Tensor], weights: Sequence[float], density: float) -> Tensor:
    """Trim to the largest entries, elect a sign, and take the mean of those that agree."""
    return elected([largest(change, density) for change in changes], weights)


def dare(changes: Sequence[Tensor], weights: Sequence[float], density: float, generator: torch.Generator) -> Tensor:
    """The weighted sum of randomly thinned changes."""
    return weighted_sum([dropped(change, density, generator) for change in changes], weights)


def dare_ties(
    changes: Sequence[Tensor], weights: Sequence[float], density: float, generator: torch.Generator
) -> Tensor:
    """Randomly thinned changes, merged by elected signs."""
    return elected([dropped(change, density, generator) for change in changes], weights)


def _column(weights: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(list(weights), dtype=like.dtype).reshape(-1, *[1] * like.dim())
