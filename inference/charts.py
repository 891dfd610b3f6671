"""The small chart beside a version's previews, worked out here and drawn by templates/inference/_facts.html.

It is an ornament of the numbers beside it, so it is hidden from screen readers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 12, 24  # room for the numbers of the axes
LEAST_TOP = 5.0  # ΔE: what hardly changes the picture is to look like it


@dataclass(frozen=True)
class Dot:
    """A measured point, where it is drawn, and the strength it stands for."""

    x: float
    y: float
    strength: float


@dataclass(frozen=True)
class StrengthChart:
    """Change over strength in a viewBox of WIDTH by HEIGHT; strength 0 changes nothing and is part of the line."""

    dots: list[Dot]
    top: int
    """The number at the upper end of the axis, ΔE."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    upper: int = TOP
    lower: int = HEIGHT - BOTTOM

    @property
    def line(self) -> str:
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


def strength_chart(curve: Sequence[tuple[float, float]]) -> StrengthChart | None:
    """The chart of pairs of strength and ΔE; None where there is no strength but 0."""
    points = sorted([*curve, (0.0, 0.0)])
    low, high = points[0][0], points[-1][0]
    if low == high:
        return None
    top = _round_up(max(LEAST_TOP, *(change for _, change in points)))
    across, up = (WIDTH - LEFT - RIGHT) / (high - low), (HEIGHT - TOP - BOTTOM) / top
    dots = [
        Dot(round(LEFT + (strength - low) * across, 1), round(HEIGHT - BOTTOM - change * up, 1), strength)
        for strength, change in points
    ]
    return StrengthChart(dots, top)


def _round_up(value: float) -> int:
    """To the next multiple of 5, so that charts of different adapters compare at a glance."""
    return int(-(-value // 5) * 5)
