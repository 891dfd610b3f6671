"""What the pages and the API show of a dataset: its report, its progress, its findings in words."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from training.findings import refuses
from training.models import (
    WORK_UNFINISHED,
    Dataset,
    DatasetJob,
    DatasetPicture,
    DatasetWork,
    PictureState,
    WorkState,
)
from training.reporting.report import Aim, DatasetReport, PictureFacts, dataset_report

SIDES = (64, 256, 512, 768, 1024)  # pixels that the families train at; 64 is the tiny base
SMALL = 256  # pixels of the median side below which a set can only be meant for the tiny base
JOBS_SHOWN = 10
FILTERS = {
    "all": "All",
    "waiting": "Waiting",
    "held": "For a person",
    "refused": "Refused",
    "left-out": "Left out",
    "validation": "Validation",
    "class": "Class pictures",
    "no-caption": "No caption",
    "near": "Near-duplicates",
}
_WHERE = {
    "all": Q(),
    "waiting": Q(state=PictureState.WAITING),
    "held": Q(state=PictureState.HELD),
    "refused": Q(state=PictureState.REFUSED),
    "left-out": Q(left_out=True),
    "validation": Q(is_validation=True),
    "class": Q(is_prior=True),
    "no-caption": Q(caption="", is_prior=False),
    "near": Q(near_group__isnull=False),
}


@dataclass(frozen=True)
class Counts:
    """Pictures by what they wait for; those left out are counted in `left_out` and `total` alone."""

    total: int
    training: int
    validation: int
    prior: int
    waiting: int
    held: int
    refused: int
    left_out: int
    captioned: int

    @property
    def ready(self) -> int:
        """Share of the pictures whose checks have ended, in percent."""
        used = self.total - self.left_out
        return round(100 * (used - self.waiting) / used) if used else 100


def picture_counts(dataset: Dataset) -> Counts:
    used = Q(left_out=False)
    parts = {
        "total": Q(),
        "training": used & Q(is_prior=False, is_validation=False),
        "validation": used & Q(is_validation=True),
        "prior": used & Q(is_prior=True),
        "waiting": used & Q(state=PictureState.WAITING),
        "held": used & Q(state=PictureState.HELD),
        "refused": used & Q(state=PictureState.REFUSED),
        "left_out": Q(left_out=True),
        "captioned": used & Q(is_prior=False) & ~Q(caption=""),
    }
    counted = dataset.pictures.aggregate(**{f"of_{name}": Count("pk", filter=where) for name, where in parts.items()})
    return Counts(**{name: counted[f"of_{name}"] for name in parts})


def pictures_shown(dataset: Dataset, which: str) -> QuerySet[DatasetPicture]:
    """The pictures of a filter, by path; an unknown filter shows all."""
    where = _WHERE.get(which, Q())
    order = ["near_group", "path"] if which == "near" else ["path"]
    return dataset.pictures.filter(where).defer("colours").order_by(*order)


def report_of(dataset: Dataset, *, side: int | None = None, shown: int | None = None) -> DatasetReport:
    """The report of what is not left out.

    `side` is the resolution that is trained at; without one, 512, or 64 where all is small. `shown` is steps × batch.
    """
    facts = [_facts(row) for row in dataset.pictures.filter(left_out=False).order_by("path")]
    side = side or usual_side(facts)
    aim = Aim(
        purpose=dataset.purpose,
        trigger=dataset.trigger,
        class_word=dataset.class_word,
        side=side,
        bucket_step=64 if side >= 512 else 8,
        shown=shown,
    )
    return dataset_report(facts, aim)


def usual_side(facts: list[PictureFacts]) -> int:
    """The resolution that a set is most likely meant for."""
    sides = sorted((one.width * one.height) ** 0.5 for one in facts)
    return 64 if sides and sides[len(sides) // 2] < SMALL else 512


def _facts(row: DatasetPicture) -> PictureFacts:
    return PictureFacts(
        path=row.path,
        width=row.width,
        height=row.height,
        sharpness=row.sharpness,
        phash=int(row.phash, 16),
        colours=bytes(row.colours),
        caption=row.caption,
        repeats=row.repeats,
        is_prior=row.is_prior,
        is_validation=row.is_validation,
        near_group=row.near_group,
    )


@dataclass(frozen=True)
class Progress:
    """What is being worked on, and how the last pieces of work ended."""

    running: list[DatasetJob]
    ended: list[DatasetJob]
    counts: Counts

    @property
    def busy(self) -> bool:
        return bool(self.running) or bool(self.counts.waiting)

    @property
    def failed(self) -> list[DatasetJob]:
        return [job for job in self.ended if job.state == WorkState.FAILED]

    @property
    def last_import(self) -> DatasetJob | None:
        return next((job for job in self.ended if job.kind == DatasetWork.IMPORT), None)


def progress_of(dataset: Dataset) -> Progress:
    """Unfinished work, and the newest that ended; of failures only what no later success of its kind made good."""
    running = list(dataset.jobs.filter(state__in=WORK_UNFINISHED).defer("params").order_by("created_at"))
    recent = list(dataset.jobs.exclude(state__in=WORK_UNFINISHED).defer("params")[:JOBS_SHOWN])
    newest: dict[str, DatasetJob] = {}
    for job in recent:
        newest.setdefault(job.kind, job)
    return Progress(running, list(newest.values()), picture_counts(dataset))


@dataclass(frozen=True)
class FindingShown:
    """A finding in words: whether it refuses by itself, and which check found it."""

    code: str
    message: str
    refuses: bool
    facts: dict[str, Any] = field(default_factory=dict)


def findings_shown(findings: list[dict[str, Any]]) -> list[FindingShown]:
    """What stands against a picture or a set, the gravest first."""
    shown = [FindingShown(f["code"], f["message"], refuses(f), f.get("facts", {})) for f in findings]
    return sorted(shown, key=lambda one: not one.refuses)
