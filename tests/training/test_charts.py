"""Curves: inside their frame whatever the numbers are."""

import math

from hypothesis import given
from hypothesis import strategies as st

from training.charts import HEIGHT, MOST, WIDTH, curves, smoothed

PAIRS = st.lists(st.tuples(st.integers(0, 100_000), st.floats(allow_nan=True, allow_infinity=True)), max_size=600)


def test_nothing_to_draw_is_no_chart() -> None:
    assert curves([("Loss", "training", [])], last=10) is None
    assert curves([("Loss", "training", [(1, math.nan)])], last=10) is None


@given(PAIRS, st.integers(0, 1000))
def test_every_point_lies_in_the_drawing(pairs: list[tuple[int, float]], last: int) -> None:
    pairs = sorted((step, value) for step, value in pairs if abs(value) < 1e300 or not math.isfinite(value))
    chart = curves([("Loss", "training", pairs)], last=last, marks=[0, last, last + 1])
    if chart is None:
        return
    for line in chart.lines:
        places = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert len(places) <= MOST
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_smoothing_keeps_a_constant_and_has_no_lag_at_its_start() -> None:
    assert [round(value, 9) for _, value in smoothed([(step, 2.0) for step in range(50)])] == [2.0] * 50
