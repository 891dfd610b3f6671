"""Which checkpoint to take: it shows most of the concept, least of it uncalled, and has not begun to memorise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.engine.watch.pairs import Change
from training.engine.watch.records import History, Proposal, WatchWarning

SPOILT = frozenset({"near-copy", "diversity-lost", "flat-samples"})
LEAK_COST = 0.5  # what a concept that shows fully without its trigger word costs, of one that shows fully with it
NEAR = 0.1  # worths that near are equal, and the later checkpoint is taken: colours settle before shapes do
LATER = 0.01  # what the last checkpoint is worth more than the first where no samples tell what each has learned


@dataclass(frozen=True)
class Worth:
    """What speaks for a checkpoint (`effect`, as a share of the strongest) and against it, each 0 to 1."""

    step: int
    effect: float
    leak: float
    rise: float
    """By which share the validation loss lies above its lowest before; it turns before samples are at their best."""
    spoilt: bool

    @property
    def total(self) -> float:
        """By which checkpoints are compared."""
        return self.effect - LEAK_COST * self.leak - self.rise - self.spoilt


def propose(history: History, changes: list[Change], warnings: list[WatchWarning]) -> Proposal | None:
    """The best checkpoint, the latest one of equals. None without a checkpoint."""
    if not history.checkpoints:
        return None
    strongest = max((change.effect for change in changes), default=0.0)
    # Between validations that only waver there is nothing to choose, unless there is nothing else to choose by.
    trusted = not changes or any(warning.code == "validation-rising" for warning in warnings)
    losses = history.validations if trusted else ()
    worths = [
        _worth(step, replace(history, validations=losses), changes, strongest, warnings)
        for step in sorted(history.checkpoints)
    ]
    highest = max(worth.total for worth in worths) - (NEAR if changes else 0.0)
    best = max((worth for worth in worths if worth.total >= highest), key=lambda worth: worth.step)
    facts = {"effect": best.effect, "leak": best.leak, "rise": best.rise, "worth": best.total}
    return Proposal(best.step, _why(best, worths, bool(changes), len(history.validations) > 1), facts)


def _worth(step: int, history: History, changes: list[Change], strongest: float, warnings: list[WatchWarning]) -> Worth:
    change = _at(step, {one.step: one for one in changes})
    spoilt = any(warning.code in SPOILT and _nearest(step, changes) >= warning.step for warning in warnings)
    if change is None or strongest <= 0:
        effect, leak = LATER * step / max(history.checkpoints), 0.0
    else:
        effect, leak = change.effect / strongest, min(max(change.leak, 0.0), 1.0)
    return Worth(step, effect, leak, _rise(step, history), spoilt)


def _rise(step: int, history: History) -> float:
    """loss / lowest − 1 at the nearest validation, 1 at most; 0 up to the lowest one."""
    if len(history.validations) < 2:
        return 0.0
    lowest_step, lowest = min(history.validations, key=lambda point: point[1])
    at, loss = min(history.validations, key=lambda point: (abs(point[0] - step), point[0]))
    if at <= lowest_step:
        return 0.0
    return min(1.0, loss / lowest - 1) if lowest > 0 else 1.0


def _at(step: int, changes: dict[int, Change]) -> Change | None:
    """The samples nearest to a checkpoint."""
    return changes[min(changes, key=lambda one: (abs(one - step), one))] if changes else None


def _nearest(step: int, changes: list[Change]) -> int:
    found = _at(step, {one.step: one for one in changes})
    return found.step if found else step


def _why(best: Worth, worths: list[Worth], drawn: bool, validated: bool) -> str:
    if not drawn and not validated:
        return "It is the latest checkpoint; without samples and validation nothing else can be said."
    parts = []
    if drawn:
        parts.append(f"with the trigger word it shows {best.effect:.0%} of the strongest effect of this run")
        parts.append(f"{best.leak:.0%} of that shows without it")
    if validated:
        parts.append(
            "its loss on pictures it never saw had not clearly risen"
            if best.rise == 0
            else f"its loss on pictures it never saw lay {best.rise:.0%} above the lowest"
        )
    spoilt = [worth.step for worth in worths if worth.spoilt]
    if spoilt and not best.spoilt:
        parts.append(f"from step {min(spoilt)} on samples are spoilt")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
