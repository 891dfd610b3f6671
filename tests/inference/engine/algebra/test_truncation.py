"""Low-rank approximation: the error is that of the singular values left out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine import EngineError
from inference.engine.algebra.truncation import Limit, truncated, truncated_product
from tests.inference.engine.changes import random

SIDES = st.integers(1, 24)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.integers(1, 24), st.integers(0, 50))
def test_error_is_that_of_the_discarded_singular_values(out: int, into: int, rank: int, seed: int) -> None:
    matrix = random(out, into, seed=seed)
    kept = truncated(matrix, Limit(rank=rank))
    values = torch.linalg.svdvals(matrix.double())
    norm = float(values.norm())
    assert abs(kept.error - float(values[rank:].norm())) <= 1e-5 * norm
    assert abs(float((matrix - kept.up @ kept.down).norm()) - kept.error) <= 1e-5 * norm
    assert kept.rank == min(rank, out, into)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.integers(1, 12), st.integers(1, 12), st.integers(0, 50))
def test_factors_give_what_the_whole_matrix_gives(out: int, into: int, inner: int, rank: int, seed: int) -> None:
    up, down = random(out, inner, seed=seed), random(inner, into, seed=seed + 100)
    from_factors, from_whole = (
        truncated_product(up, down, Limit(rank=rank)),
        truncated(up @ down, Limit(rank=min(rank, inner))),
    )
    norm = from_whole.norm
    assert abs(from_factors.error - from_whole.error) <= 2e-5 * norm
    assert abs(from_factors.norm - norm) <= 1e-5 * norm
    difference = from_factors.up @ from_factors.down - up @ down
    assert abs(float(difference.norm()) - from_whole.error) <= 2e-5 * norm


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 1.0), st.integers(0, 50))
def test_energy_is_reached_with_as_few_directions_as_can_be(energy: float, seed: int) -> None:
    matrix = random(12, 9, seed=seed)
    kept = truncated(matrix, Limit(energy=energy))
    squares = torch.linalg.svdvals(matrix.double()).square()
    share = squares.cumsum(0) / squares.sum()
    assert float(share[kept.rank - 1]) >= energy - 1e-6
    assert kept.rank == 1 or float(share[kept.rank - 2]) < energy + 1e-6


def test_limits_hold_together() -> None:
    matrix = random(20, 20)
    assert truncated(matrix, Limit(rank=3, energy=0.999)).rank == 3
    assert truncated(torch.eye(20), Limit(rank=15, energy=0.5)).rank == 10


def test_matrix_of_zeros_keeps_one_direction_of_zeros() -> None:
    kept = truncated(torch.zeros(5, 4), Limit(rank=2, energy=0.9))
    assert (kept.error, kept.norm) == (0.0, 0.0)
    assert not bool((kept.up @ kept.down).any())


@pytest.mark.parametrize("seed", range(3))
def test_randomised_is_nearly_the_best(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(96, 64, generator=generator)).Q
    matrix = basis * (0.8 ** torch.arange(64.0)) @ torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q
    best, nearly = truncated(matrix, Limit(rank=8)), truncated(matrix, Limit(rank=8), randomised=True)
    assert best.error * (1 - 1e-4) <= nearly.error <= 1.01 * best.error
    assert float((matrix - nearly.up @ nearly.down).norm()) == pytest.approx(nearly.error, rel=1e-3)
    again = truncated(matrix, Limit(rank=8), randomised=True)
    assert torch.equal(again.up, nearly.up)


@pytest.mark.parametrize("limit", [{"rank": 0}, {"rank": -1}, {"energy": 0.0}, {"energy": 1.5}, {"energy": -0.1}])
def test_impossible_limit_is_refused(limit: dict[str, float]) -> None:
    with pytest.raises(EngineError, match="not possible"):
        Limit(**limit)  # type: ignore[arg-type]
