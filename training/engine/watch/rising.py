"""Validation loss that rises, told from validation loss that wavers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.engine.watch.records import History, WatchWarning

IN_A_ROW = 3  # validations that must lie above the best
NOISES = 2.5  # by how many standard deviations of the noise: one false alarm in twenty flat curves of 20 validations
RISE = 0.01  # and by which share of the best
SMOOTH = 3  # validations that the best is a mean of: a single low one is chance


def noise_of(losses: Sequence[float]) -> float:
    """Standard deviation of a slow curve's noise, from its second differences, the largest fifth left out.

    A steady descent has none of them, so that a curve that falls is not taken for noise; what is left out are bends.
    Var(second difference) = 6 σ²; the lower four fifths of |N(0, 1)| have the mean 0.58.
    """
    if len(losses) < 4:
        return 0.0
    bends = np.sort(np.abs(np.diff(losses, 2)))
    kept = bends[: max(2, int(np.ceil(0.8 * len(bends))))]
    return float(kept.mean() / (0.58 * np.sqrt(6)))


def risen(losses: Sequence[float]) -> int | None:
    """The index of the best validation, once the latest ones lie clearly above it; None before."""
    if len(losses) < SMOOTH + IN_A_ROW or not np.isfinite(losses).all():
        return None
    means = np.convolve(losses, np.ones(SMOOTH) / SMOOTH, "valid")[:-IN_A_ROW]
    middle = int(means.argmin())
    bar = float(means[middle]) + max(NOISES * noise_of(losses), RISE * abs(float(means[middle])))
    if min(losses[-IN_A_ROW:]) <= bar:
        return None
    return middle + int(np.argmin(losses[middle : middle + SMOOTH]))


def rising(history: History) -> list[WatchWarning]:
    """One warning, at the first validation that made it sure."""
    steps = [step for step, _ in history.validations]
    losses = [loss for _, loss in history.validations]
    for count in range(SMOOTH + IN_A_ROW, len(losses) + 1):
        best = risen(losses[:count])
        if best is not None:
            return [_warning(steps, losses, best, count - 1)]
    return []


def _warning(steps: list[int], losses: list[float], best: int, now: int) -> WatchWarning:
    share = losses[now] / losses[best] - 1 if losses[best] > 0 else 0.0
    return WatchWarning(
        "validation-rising",
        steps[now],
        f"The loss on pictures it never saw has risen by {share:.0%} since step {steps[best]}.",
        "The adapter now learns the training pictures themselves instead of what they have in common.",
        f"Take a checkpoint near step {steps[best]}, or train with more pictures, a lower rank or learning rate.",
        {
            "best_step": steps[best],
            "best_loss": losses[best],
            "loss": losses[now],
            "noise": noise_of(losses[: now + 1]),
        },
    )
