"""The dataset report: what a set of pictures and captions will do to a run, told before the run costs anything.

Thresholds are rules of thumb of the field's trainers (kohya-ss documentation, the Hub's DreamBooth guides), each named
at its constant. They warn; nothing here refuses.
"""

from collections.abc import Sequence
from statistics import median

from training.reporting.buckets import buckets_of
from training.reporting.captions import has_word, likely_tokens
from training.reporting.report.diversity import diversity
from training.reporting.report.facts import (
    Advice,
    Aim,
    DatasetReport,
    Forecast,
    Level,
    Looked,
    PictureFacts,
    Risk,
    side_of,
)
from training.reporting.report.forecast import forecast_of
from training.reporting.report.remarks import REMARKS

__all__ = ["Advice", "Aim", "DatasetReport", "Forecast", "Level", "PictureFacts", "Risk", "dataset_report", "diversity"]


def dataset_report(pictures: Sequence[PictureFacts], aim: Aim) -> DatasetReport:
    """Judge the pictures that are not left out. An empty set has a report too."""
    own = [one for one in pictures if not one.is_prior]
    training = [one for one in own if not one.is_validation]
    looked = Looked(
        aim=aim,
        training=training,
        validation=[one for one in own if one.is_validation],
        prior=[one for one in pictures if one.is_prior],
        diversity=diversity(own),
    )
    for look_at in REMARKS:
        look_at(looked)
    return _figures(looked)


def _figures(looked: Looked) -> DatasetReport:
    own = looked.own
    sides = sorted(side_of(one) for one in own) or [0]
    captions = [one.caption for one in own if one.caption.strip()]
    return DatasetReport(
        side=looked.aim.side,
        pictures=len(looked.training),
        validation=len(looked.validation),
        prior=len(looked.prior),
        shown_in_an_epoch=sum(one.repeats for one in looked.training),
        side_least=sides[0],
        side_median=int(median(sides)),
        side_most=sides[-1],
        buckets=buckets_of([(one.width, one.height) for one in own], side=looked.aim.side, step=looked.aim.bucket_step),
        near_duplicates=sum(one.near_group is not None for one in own),
        diversity=looked.diversity,
        captioned=len(captions),
        captions_distinct=len({caption.lower() for caption in captions}),
        with_trigger=sum(has_word(caption, looked.aim.trigger) for caption in captions),
        longest_tokens=max((likely_tokens(caption) for caption in captions), default=0),
        advice=tuple(sorted(looked.advice, key=lambda one: list(Level).index(one.level))),
        forecast=forecast_of(looked),
    )
