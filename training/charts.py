"""Curves as inline SVG: worked out here, drawn by templates/training/runs/_chart.html.

A chart is an ornament of the table beside it, which says the same in numbers; so it is hidden from screen readers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LOW = 640, 220, 120
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 10, 24  # room for the numbers of the axes
MOST = 400  # points of one line; a screen shows no more
TICKS = 4

Pair = tuple[int, float]


@dataclass(frozen=True)
class Tick:
    """A number at an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One polyline, with the class that colours it; `dots` where its points stand alone."""

    name: str
    kind: str
    points: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A drawing in a viewBox of 640 by `height`."""

    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    marks: list[Tick]
    height: int
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


def curves(
    series: Sequence[tuple[str, str, Sequence[Pair]]], *, last: int, marks: Sequence[int] = (), height: int = HEIGHT
) -> Chart | None:
    """Lines over steps 0 to `last`, on one scale that leaves out the highest hundredth; None without a point.

    Each of `series` is (name, kind, pairs of step and value); values that are not finite are left out.
    """
    cleaned = [(name, kind, [pair for pair in pairs if math.isfinite(pair[1])]) for name, kind, pairs in series]
    values = sorted(value for _, _, pairs in cleaned for _, value in pairs)
    if not values:
        return None
    low, high = values[0], values[min(int(len(values) * 0.99), len(values) - 1)]
    if high - low < 1e-12:
        low, high = low - abs(low) * 0.1 - 1e-9, high + abs(high) * 0.1 + 1e-9
    last = max(last, max(step for _, _, pairs in cleaned for step, _ in pairs), 1)

    def place(pair: Pair) -> tuple[float, float]:
        step, value = pair
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        share = (min(max(value, low), high) - low) / (high - low)
        return round(x, 1), round(height - BOTTOM - (height - TOP - BOTTOM) * share, 1)

    drawn = [_line(name, kind, [place(pair) for pair in _thinned(pairs)]) for name, kind, pairs in cleaned if pairs]
    return Chart(
        drawn,
        across=[Tick(place((step, low))[0], f"{step:,}") for step in _steps(last)],
        up=[Tick(place((0, value))[1], _number(value)) for value in _between(low, high, TICKS if height > LOW else 2)],
        marks=[Tick(place((step, low))[0], f"{step:,}") for step in marks if 0 <= step <= last],
        height=height,
    )


def _line(name: str, kind: str, places: list[tuple[float, float]]) -> Line:
    return Line(name, kind, " ".join(f"{x},{y}" for x, y in places), places if len(places) <= 40 else [])


def smoothed(pairs: Sequence[Pair], weight: float = 0.9) -> list[Pair]:
    """An exponential mean without the lag of its start (Adam's correction)."""
    found: list[Pair] = []
    mean, total = 0.0, 0.0
    for step, value in pairs:
        if not math.isfinite(value):
            continue
        mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        found.append((step, mean / total))
    return found


def _thinned(pairs: Sequence[Pair]) -> list[Pair]:
    """At most `MOST` points: the mean of each stretch, at its middle step."""
    if len(pairs) <= MOST:
        return list(pairs)
    size = math.ceil(len(pairs) / MOST)
    pieces = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    return [(piece[len(piece) // 2][0], sum(value for _, value in piece) / len(piece)) for piece in pieces]


def _steps(last: int) -> list[int]:
    return sorted({round(last * part / TICKS) for part in range(TICKS + 1)})


def _between(low: float, high: float, parts: int) -> list[float]:
    return [low + (high - low) * part / parts for part in range(parts + 1)]


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.3g}"
