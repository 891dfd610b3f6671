"""TIES and DARE, against PEFT's own functions and against the formulas written out entry by entry."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.utils import merge_utils
from torch import Tensor

from inference.engine.algebra import combining
from tests.inference.engine.changes import random

COUNTS = st.integers(2, 4)
DENSITIES = st.floats(0.1, 0.95)
WEIGHTS = st.lists(st.floats(-2, 2), min_size=4, max_size=4)


def _changes(count: int, seed: int) -> list[Tensor]:
    return [random(7, 9, seed=seed * 10 + number) for number in range(count)]


def _plain_ties(changes: list[Tensor], weights: list[float], density: float) -> np.ndarray:
    """The paper's three steps, one number at a time."""
    arrays = [change.numpy().astype(np.float64).ravel() for change in changes]
    trimmed = []
    for array in arrays:
        order = sorted(range(array.size), key=lambda place: -abs(array[place]))
        kept = set(order[: int(density * array.size)])
        trimmed.append([value if place in kept else 0.0 for place, value in enumerate(array)])
    merged = []
    for column in zip(*trimmed, strict=True):
        sign = 1.0 if sum(column) >= 0 else -1.0
        agreeing = [weight * value for weight, value in zip(weights, column, strict=True) if np.sign(value) == sign]
        merged.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return np.array(merged).reshape(changes[0].shape)


@settings(max_examples=30, deadline=None)
@given(COUNTS, DENSITIES, WEIGHTS, st.integers(0, 30))
def test_ties_is_that_of_the_paper_and_of_peft(count: int, density: float, weights: list[float], seed: int) -> None:
    changes, weights = _changes(count, seed), weights[:count]
    found = combining.ties(changes, weights, density)
    np.testing.assert_allclose(found.numpy(), _plain_ties(changes, weights, density), rtol=1e-5, atol=1e-6)
    theirs = merge_utils.ties(changes, torch.tensor(weights), density)
    torch.testing.assert_close(found, theirs, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(COUNTS, DENSITIES, WEIGHTS, st.integers(0, 30))
def test_dare_is_the_sum_of_thinned_changes(count: int, density: float, weights: list[float], seed: int) -> None:
    changes, weights = _changes(count, seed), weights[:count]
    found = combining.dare(changes, weights, density, torch.Generator().manual_seed(seed))
    again = torch.Generator().manual_seed(seed)
    masks = [(torch.rand(change.shape, generator=again) < density).numpy() for change in changes]
    wanted = sum(
        weight * change.numpy().astype(np.float64) * mask / density
        for weight, change, mask in zip(weights, changes, masks, strict=True)
    )
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(COUNTS, DENSITIES, WEIGHTS, st.integers(0, 30))
def test_dare_ties_elects_among_thinned_changes(count: int, density: float, weights: list[float], seed: int) -> None:
    changes, weights = _changes(count, seed), weights[:count]
    found = combining.dare_ties(changes, weights, density, torch.Generator().manual_seed(seed))
    again = torch.Generator().manual_seed(seed)
    thinned = torch.stack([combining.dropped(change, density, again) for change in changes])
    mask = merge_utils.calculate_majority_sign_mask(thinned)
    weighted = thinned * torch.tensor(weights).reshape(-1, 1, 1)
    torch.testing.assert_close(found, merge_utils.disjoint_merge(weighted, mask), rtol=1e-5, atol=1e-6)


def test_dropping_keeps_the_share_and_the_expectation() -> None:
    change = torch.ones(400, 400)
    kept = combining.dropped(change, 0.3, torch.Generator().manual_seed(1))
    assert float((kept != 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(kept.mean()) == pytest.approx(1.0, abs=0.03)


def test_density_of_one_drops_nothing() -> None:
    changes = _changes(3, 1)
    generator = torch.Generator()
    plain = combining.weighted_sum(changes, [1.0, 1.0, 1.0])
    torch.testing.assert_close(combining.dare(changes, [1.0, 1.0, 1.0], 1.0, generator), plain)
