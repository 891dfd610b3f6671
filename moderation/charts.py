"""Charts as inline SVG: the numbers worked out here, drawn by templates/moderation/cases/_bars.html and _lines.html.

The drawing and the figures along its axes are hidden from screen readers, for a table beside it says the same in
words; the titles of its axes are read out. Labels are text of the page, not of the drawing: they do not shrink with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160


def scale_top(most: float) -> int:
    """The upper end of a scale over `most`: 2, 4, 6, 8 or 10 times a power of ten, so that its middle is whole."""
    power = 1
    while most > 10 * power:
        power *= 10
    return next(step * power for step in (2, 4, 6, 8, 10) if step * power >= most)


@dataclass(frozen=True)
class Bar:
    """One row: its label, and how much of the scale it fills, in per cent."""

    label: str
    share: float


@dataclass(frozen=True)
class Bars:
    """Horizontal bars over one scale with its figures from left to right, and what they count."""

    bars: list[Bar]
    ticks: list[str]
    title: str


def bars(
    rows: Sequence[tuple[str, float]],
    *,
    title: str,
    top: float | None = None,
    words: Callable[[float], str] = "{:,g}".format,
) -> Bars:
    """One bar per row of label and value, over a scale from 0 to `top` or a round number above the longest."""
    most = top if top is not None else scale_top(max((value for _, value in rows), default=0))
    drawn = [Bar(label, round(100 * value / most, 1)) for label, value in rows]
    return Bars(drawn, [words(most * part) for part in (0, 0.5, 1)], title)


@dataclass(frozen=True)
class Lines:
    """Polylines in a viewBox of 600 by 160 over one scale, with the figures of both axes and what they are."""

    points: list[str]
    y_ticks: list[str]  # from the top down
    x_ticks: list[str]  # from left to right
    y_title: str
    x_title: str
    width: int = WIDTH
    height: int = HEIGHT


def lines(*series: Sequence[float], along: Sequence[str], y_title: str, x_title: str) -> Lines:
    """One polyline per series; `along` says what each place from left to right is. All are of one length."""
    top = scale_top(max((value for one in series for value in one), default=0))
    ends = [along[place] for place in sorted({0, len(along) // 2, len(along) - 1})] if along else []
    ticks = [f"{top * part:,g}" for part in (1, 0.5, 0)]
    return Lines([_points(one, top) for one in series], ticks, ends, y_title, x_title)


def _points(values: Sequence[float], top: float) -> str:
    step = WIDTH / max(len(values) - 1, 1)
    heights = [HEIGHT - (HEIGHT - 4) * value / top - 2 for value in values]
    return " ".join(f"{round(number * step, 1)},{round(height, 1)}" for number, height in enumerate(heights))
