"""The best low-rank approximation of a matrix (Eckart–Young), with its error: from factors or from the whole matrix."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inference.engine.errors import EngineError

# Halko, Martinsson, Tropp (2011), "Finding structure with randomness": a few extra columns, two power iterations.
OVERSAMPLING, POWER_ITERATIONS = 8, 2


@dataclass(frozen=True)
class Limit:
    """How much of a matrix to keep: at most `rank` directions, and no more than the share `energy` needs.

    Energy is the sum of the squared singular values, the squared Frobenius norm.
    """

    rank: int | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        unusable = self.rank is not None and self.rank < 1
        if unusable or (self.energy is not None and not 0 < self.energy <= 1):
            raise EngineError(
                "The adapter cannot be resized so.",
                f"A rank of {self.rank} or a retained energy of {self.energy} is not possible.",
                "Give a rank of 1 or more, or an energy above 0 and at most 1 (0.99 keeps 99 %).",
            )

    def count(self, values: Tensor) -> int:
        """How many of these singular values, sorted downwards, to keep; at least one."""
        limit = len(values) if self.rank is None else min(self.rank, len(values))
        if self.energy is not None:
            squares = values.double().square()
            total = float(squares.sum())
            reached = squares.cumsum(0) >= self.energy * total * (1 - 1e-12)
            limit = min(limit, int(reached.int().argmax()) + 1)
        return max(limit, 1)


@dataclass(frozen=True)
class Truncated:
    """up [out, rank] · down [rank, in] and what is left out: `error` and `norm` are Frobenius norms."""

    up: Tensor
    down: Tensor
    error: float
    norm: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]


def truncated(matrix: Tensor, limit: Limit, *, randomised: bool = False, seed: int = 0) -> Truncated:
    """The nearest matrix within the limit to [out, in]; `randomised` needs `limit.rank` and is nearly as near."""
    if randomised and limit.rank is not None and limit.rank + OVERSAMPLING < min(matrix.shape):
        u, s, v = _randomised(matrix, limit.rank + OVERSAMPLING, seed)
        kept = _kept(u, s, v, limit)
        # Computed, because the decomposition has not seen all that is left out.
        error = float(torch.linalg.vector_norm(matrix - kept.up @ kept.down))
        return replace(kept, error=error, norm=float(torch.linalg.vector_norm(matrix)))
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return _kept(u, s, vh.mH, limit)


def truncated_product(up: Tensor, down: Tensor, limit: Limit) -> Truncated:
    """The same for a matrix given as up [out, r] · down [r, in], without ever writing it out."""
    if min(up.shape[0], down.shape[1]) <= up.shape[1]:
        return truncated(up @ down, limit)
    q_up, r_up = torch.linalg.qr(up)
    q_down, r_down = torch.linalg.qr(down.mT)
    u, s, vh = torch.linalg.svd(r_up @ r_down.mT)
    return _kept(q_up @ u, s, q_down @ vh.mH, limit)


def _randomised(matrix: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(matrix @ torch.randn(matrix.shape[1], count, generator=generator)).Q
    for _ in range(POWER_ITERATIONS):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.mT @ basis).Q).Q
    u, s, vh = torch.linalg.svd(basis.mT @ matrix, full_matrices=False)
    return basis @ u, s, vh.mH


def _kept(u: Tensor, s: Tensor, v: Tensor, limit: Limit) -> Truncated:
    count = limit.count(s)
    root = s[:count].sqrt()
    squares = s.double().square()
    error, norm = math.sqrt(float(squares[count:].sum())), math.sqrt(float(squares.sum()))
    return Truncated(u[:, :count] * root, (v[:, :count] * root).mT, error, norm)
