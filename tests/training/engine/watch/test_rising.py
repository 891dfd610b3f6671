"""A rising validation loss is told from a wavering one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.watch.records import History
from training.engine.watch.rising import IN_A_ROW, noise_of, risen, rising


def curve(values: list[float]) -> History:
    return History(validations=tuple((100 * (index + 1), value) for index, value in enumerate(values)))


def falling(count: int) -> np.ndarray:
    return 0.1 + 0.1 * np.exp(-np.arange(count) / 3)


@pytest.mark.parametrize(
    ("values", "warned_at"),
    [
        ([0.2, 0.15, 0.12, 0.11, 0.105, 0.103, 0.102, 0.1015], None),  # still falling
        ([0.1] * 20, None),  # flat
        ([0.2, 0.15, 0.12, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16], 900),  # falls, then rises
        ([0.2, 0.15, 0.12, 0.11, 0.12, 0.13, 0.11, 0.105, 0.1], None),  # comes back
        ([0.2, 0.15, 0.12, 0.14], None),  # too few to tell
        ([], None),
        ([0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16], 600),  # worse from the first on
        ([0.2, 0.15, 0.10, 0.1003, 0.1005, 0.1007, 0.1004, 0.1006], None),  # less than a hundredth
    ],
)
def test_rise_is_warned_of_at_the_validation_that_makes_it_sure(values: list[float], warned_at: int | None) -> None:
    found = rising(curve(values))
    assert [warning.step for warning in found] == ([] if warned_at is None else [warned_at])


def test_warning_names_the_best_step_and_what_to_do() -> None:
    (warning,) = rising(curve([0.2, 0.15, 0.12, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16]))
    assert warning.code == "validation-rising"
    assert warning.facts["best_step"] == 400
    assert "since step 400" in warning.message
    assert "training pictures themselves" in warning.message
    assert "Take a checkpoint near step 400" in warning.message


def test_noise_of_a_steady_curve_is_nothing_and_of_noise_is_its_deviation() -> None:
    rng = np.random.default_rng(0)
    assert noise_of(list(np.linspace(1, 0, 50))) < 1e-9
    assert noise_of(list(rng.normal(0, 0.01, 2000))) == pytest.approx(0.01, rel=0.1)
    assert noise_of(list(np.linspace(1, 0, 2000) + rng.normal(0, 0.01, 2000))) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05])
def test_noise_around_a_falling_or_flat_curve_seldom_warns(noise: float) -> None:
    """Of 200 runs of 20 validations each, about one in twenty is warned of without cause."""
    rng = np.random.default_rng(7)
    for clean in (falling(20), np.full(20, 0.1)):
        warned = sum(bool(rising(curve(list(clean + rng.normal(0, noise * 0.1, 20))))) for _ in range(200))
        assert warned <= 12


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.03])
def test_real_rise_is_found_through_noise(noise: float) -> None:
    """Falls for ten validations, then rises by a fifth: found in nine of ten runs at least."""
    rng = np.random.default_rng(8)
    clean = np.concatenate([falling(10), falling(10)[-1] * np.linspace(1, 1.2, 10)])
    found = sum(bool(rising(curve(list(clean + rng.normal(0, noise * 0.1, 20))))) for _ in range(200))
    assert found >= 180


@given(st.lists(st.floats(0, 10) | st.just(float("nan")) | st.just(float("inf")), max_size=30))
@settings(deadline=None)
def test_any_numbers_give_an_answer(values: list[float]) -> None:
    assert len(rising(curve(values))) <= 1


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=30))
@settings(deadline=None)
def test_falling_curve_never_warns(values: list[float]) -> None:
    assert risen(sorted(values, reverse=True)) is None


@given(st.lists(st.floats(0.01, 1), min_size=8, max_size=20), st.floats(0.1, 100))
@settings(deadline=None)
def test_unit_of_the_loss_does_not_matter(values: list[float], unit: float) -> None:
    if (best := risen(values)) is not None:
        margin = min(values[-IN_A_ROW:]) / (sum(values[best : best + 1]) or 1)
        if abs(margin - 1) > 0.1:  # away from the bar, where rounding decides
            assert risen([value * unit for value in values]) is not None
