"""Trigger leakage: samples without the trigger word drift from the base's towards the concept."""

from __future__ import annotations

from training.engine.watch.pairs import Change, Gallery
from training.engine.watch.records import WatchWarning

SHARE = 0.35  # of the change with the trigger word that may show without it
EFFECT = 0.08  # units of `Look.manner`; below it an adapter changes nothing that a person would see


UNHELD = (
    "Nothing in the data set shows it pictures that are not of the concept, so it changes all pictures.",
    "Add class pictures with captions that lack the trigger word, lower the caption dropout, or take an earlier"
    " checkpoint.",
)
HELD = (
    "The class pictures have not held it back so far.",
    "Look at the later samples: class pictures often bring it down as the run goes on. If it stays, add more of them,"
    " with captions that lack the trigger word, or take a checkpoint that shows less of it.",
)


def leaking(changes: list[Change], *, class_pictures: bool = False) -> list[WatchWarning]:
    """One warning, at the first step where the leak is clearly over the limit."""
    for change in changes:
        if change.pairs and change.effect >= EFFECT and change.leak - change.spread > SHARE:
            return [_warning(change, *(HELD if class_pictures else UNHELD))]
    return []


def _warning(change: Change, why: str, remedy: str) -> WatchWarning:
    return WatchWarning(
        "trigger-leakage",
        change.step,
        f"Samples without the trigger word show {min(change.leak, 1):.0%} of what the adapter does with it.",
        why,
        remedy,
        {"leak": change.leak, "spread": change.spread, "effect": change.effect, "pairs": change.pairs},
    )


def without_effect(gallery: Gallery, changes: list[Change], last: int) -> list[WatchWarning]:
    """A warning at the latest samples, once half of the run is over and nothing has changed."""
    if not changes or changes[-1].effect >= EFFECT or changes[-1].step * 2 < last:
        return []
    change = changes[-1]
    return [
        WatchWarning(
            "no-effect",
            change.step,
            "Samples with the trigger word look like the base's.",
            "The adapter has learned next to nothing so far.",
            "See that the captions have the trigger word; then train longer, or with a higher learning rate or rank.",
            {"effect": change.effect, "pairs": len(gallery.looks[change.step])},
        )
    ]
