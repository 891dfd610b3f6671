"""Charts as inline SVG: the numbers worked out here, drawn by templates/moderation/cases/_bars.html and _lines.html.

A chart is an ornament of the table beside it, which says the same in words; so it is hidden from screen readers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160
BAR, GAP = 22, 10


@dataclass(frozen=True)
class Bar:
    y: int
    width: float


@dataclass(frozen=True)
class Bars:
    """Horizontal bars in a viewBox of 600 by `height`."""

    bars: list[Bar]
    height: int
    width: int = WIDTH
    thickness: int = BAR


def bars(values: Sequence[float], *, top: float | None = None) -> Bars:
    """One bar per value; the longest, or `top`, fills the width."""
    most = top if top is not None else max(values, default=0)
    drawn = [
        Bar(y=number * (BAR + GAP), width=round(WIDTH * value / most, 1) if most else 0)
        for number, value in enumerate(values)
    ]
    return Bars(drawn, height=max(len(values) * (BAR + GAP) - GAP, 0))


@dataclass(frozen=True)
class Lines:
    """Polylines in a viewBox of 600 by 160 that share one scale, 0 to `top`."""

    points: list[str]
    top: float
    width: int = WIDTH
    height: int = HEIGHT


def lines(*series: Sequence[float]) -> Lines:
    """One polyline per series of equal length."""
    top = max((value for one in series for value in one), default=0)
    return Lines([_points(one, top) for one in series], top)


def _points(values: Sequence[float], top: float) -> str:
    step = WIDTH / max(len(values) - 1, 1)
    heights = [HEIGHT - (HEIGHT - 4) * value / top - 2 if top else HEIGHT - 2 for value in values]
    return " ".join(f"{round(number * step, 1)},{round(height, 1)}" for number, height in enumerate(heights))
