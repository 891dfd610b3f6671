"""All that the watch looks at, put together."""

from __future__ import annotations

from collections.abc import Sequence

from training.engine.watch.best import propose
from training.engine.watch.copies import copied
from training.engine.watch.diversity import lost
from training.engine.watch.leakage import leaking, without_effect
from training.engine.watch.pairs import Gallery
from training.engine.watch.records import History, Judgement, Sample, TrainingPicture
from training.engine.watch.rising import rising


def judge(
    history: History,
    samples: Sequence[Sample],
    training: Sequence[TrainingPicture] = (),
    *,
    trigger: str = "",
    class_pictures: bool = False,
) -> Judgement:
    """Warnings and the proposed checkpoint, from everything that is known of a run so far.

    The trigger word tells which samples pair; whether class pictures are trained on, what to say of a leak.
    May be asked again after every sample: looks of pictures are kept in memory. Raises OSError for a file that is gone.
    """
    gallery = Gallery.of(samples, trigger)
    changes = [change for step in gallery.steps if (change := gallery.change(step))]
    last = max((step for step, _ in history.losses), default=0)
    warnings = [
        *rising(history),
        *leaking(changes, class_pictures=class_pictures),
        *without_effect(gallery, changes, last),
        *lost(gallery, tuple(training)),
        *copied(samples, training),
    ]
    warnings.sort(key=lambda warning: (warning.step, warning.code))
    return Judgement(tuple(warnings), propose(history, changes, warnings))
