"""The chart of change over strength."""

from hypothesis import given
from hypothesis import strategies as st

from inference.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, strength_chart

CURVES = st.dictionaries(
    st.floats(-2, 2).map(lambda value: round(value, 2)).filter(bool), st.floats(0, 150), min_size=1, max_size=6
)


@given(CURVES)
def test_every_point_lies_in_the_drawing_and_the_line_goes_through_nothing_at_zero(curve: dict[float, float]) -> None:
    chart = strength_chart(sorted(curve.items()))
    assert chart is not None
    assert all(LEFT <= dot.x <= WIDTH - RIGHT and TOP <= dot.y <= HEIGHT - BOTTOM for dot in chart.dots)
    zero = next(dot for dot in chart.dots if dot.strength == 0)
    assert zero.y == HEIGHT - BOTTOM
    assert [dot.strength for dot in chart.dots] == sorted([*curve, 0.0])
    assert chart.top >= max(curve.values())
    assert chart.top % 5 == 0


def test_nothing_to_draw_is_no_chart() -> None:
    assert strength_chart([]) is None
