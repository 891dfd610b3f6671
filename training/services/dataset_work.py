"""Background work over a dataset: queued, leased to one worker, healed by the sweep. The row is the truth."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from registry.leases import lease_kept
from training.errors import DatasetBusy, TrainingError
from training.models import (
    WORK_UNFINISHED,
    Dataset,
    DatasetJob,
    DatasetState,
    DatasetWork,
    PictureState,
    WorkState,
)
from training.signals import dataset_job_queued

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 3
SWEEP = 20  # jobs that one sweep hands out again
REMARKS_MAX = 500
AFTER_A_FAILURE = timedelta(hours=1)  # until checks that broke off are started again by themselves


def work_queue(
    *,
    dataset: Dataset,
    kind: DatasetWork,
    actor: User | None = None,
    params: dict[str, Any] | None = None,
    total: int = 0,
) -> DatasetJob:
    """Queue work; of screenings and captionings one at a time is unfinished, and a screening asked again is that one.

    Raises DatasetBusy for a second captioning.
    """
    try:
        with transaction.atomic():
            job = DatasetJob.objects.create(
                dataset=dataset, kind=kind, asked_by=actor, params=params or {}, total=total
            )
    except IntegrityError as error:
        running = DatasetJob.objects.filter(dataset=dataset, kind=kind, state__in=WORK_UNFINISHED).first()
        if kind is not DatasetWork.SCREEN or running is None:
            raise DatasetBusy(f"{DatasetWork(kind).label} is under way.") from error
        return running
    transaction.on_commit(lambda: dataset_job_queued.send(sender=DatasetJob, job_id=str(job.pk)))
    return job


def work_lease(*, job_id: str) -> DatasetJob | None:
    """Claim the job, or None when another worker holds it or nothing is left to do."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = DatasetJob.objects.filter(free, pk=job_id, state__in=WORK_UNFINISHED).update(
        state=WorkState.RUNNING, lease_token=uuid.uuid4(), lease_until=now + settings.JOB_LEASE,
        attempts=F("attempts") + 1,
    )  # fmt: skip
    if not claimed:
        return None
    job = DatasetJob.objects.select_related("dataset__owner", "dataset__created_by", "asked_by").get(pk=job_id)
    if job.dataset.state != DatasetState.OPEN:
        work_fail(job=job, what="The dataset was deleted.", why="So there is nothing to do.", remedy="")
        return None
    if job.attempts > MAX_ATTEMPTS:
        why = "Its worker stopped each time before it was finished."
        remedy = "Start it again. If it breaks off again, tell the administrator the job's id."
        work_fail(job=job, what=f"The work broke off {MAX_ATTEMPTS} times.", why=why, remedy=remedy)
        return None
    return job


def _mine(job: DatasetJob) -> Any:
    return DatasetJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=WorkState.RUNNING)


def work_renew(job: DatasetJob) -> bool:
    """Renew the lease; False when it is another's by now."""
    return bool(_mine(job).update(lease_until=timezone.now() + settings.JOB_LEASE))


def work_progress(job: DatasetJob, *, done: int, total: int) -> bool:
    """Write down how far the job is; False when the lease is another's by now, and this worker has to stop."""
    job.done, job.total = done, total
    return bool(_mine(job).update(done=done, total=total, lease_until=timezone.now() + settings.JOB_LEASE))


def work_note(job: DatasetJob) -> bool:
    """Keep what the work has in `params` so far; not in a row that was ended, as by the deletion of its dataset."""
    return bool(_mine(job).update(params=job.params))


def work_finish(*, job: DatasetJob, remarks: list[dict[str, str]] | None = None) -> bool:
    """End the job as done, unless another worker holds it by now."""
    shown = (remarks or [])[:REMARKS_MAX]
    return bool(_mine(job).update(state=WorkState.DONE, lease_until=None, finished_at=timezone.now(), remarks=shown))


def work_fail(
    *, job: DatasetJob, what: str, why: str, remedy: str, remarks: list[dict[str, str]] | None = None
) -> bool:
    """End the job as failed, with what happened, why, and what to do."""
    return bool(
        _mine(job).update(
            state=WorkState.FAILED,
            lease_until=None,
            finished_at=timezone.now(),
            problem={"what": what, "why": why, "remedy": remedy},
            remarks=(remarks or [])[:REMARKS_MAX],
        )
    )


@contextmanager
def work_held(job: DatasetJob) -> Iterator[None]:
    """Keep the lease while the block works. What is meant for people ends the job; what nobody foresaw is repeated."""
    try:
        with lease_kept(renew=lambda: work_renew(job), lifetime=settings.JOB_LEASE):
            yield
    except TrainingError as refusal:
        work_fail(job=job, what=refusal.title + ".", why=refusal.detail, remedy=refusal.remedy)
    except OperationalError:
        raise  # the task is repeated
    except Exception as error:
        log.exception("The work %s over dataset %s broke off", job.kind, job.dataset_id)
        _broke_off(job, error)


def _broke_off(job: DatasetJob, error: Exception) -> None:
    """The sweep hands it out again; the last time it ends as failed. The kind of error only: texts can name folders."""
    if job.attempts < MAX_ATTEMPTS:
        _mine(job).update(state=WorkState.QUEUED, lease_token=None, lease_until=None)
        return
    why = f"It met an unexpected error ({type(error).__name__}), which is in the worker's log."
    remedy = "Start it again. If it breaks off again, tell the administrator the job's id."
    work_fail(job=job, what=f"The work broke off {MAX_ATTEMPTS} times.", why=why, remedy=remedy)


def works_due(*, now: datetime | None = None) -> list[str]:
    """Jobs whose message was lost or whose worker is gone."""
    now = now or timezone.now()
    waiting = DatasetJob.objects.filter(state__in=WORK_UNFINISHED).filter(Q(lease_until=None) | Q(lease_until__lt=now))
    return [str(pk) for pk in waiting.order_by("created_at").values_list("pk", flat=True)[:SWEEP]]


def screening_queue(*, dataset: Dataset) -> DatasetJob:
    """Queue the checks of what waits in the dataset."""
    return work_queue(dataset=dataset, kind=DatasetWork.SCREEN)


def datasets_unscreened() -> list[Dataset]:
    """Datasets that are to be checked and for which no job is under way, because the news of it was lost."""
    waiting = Q(screened_at=None) | Q(pictures__state=PictureState.WAITING)
    unfinished = DatasetJob.objects.filter(state__in=WORK_UNFINISHED).values("dataset")
    failed = DatasetJob.objects.filter(
        kind=DatasetWork.SCREEN, state=WorkState.FAILED, finished_at__gt=timezone.now() - AFTER_A_FAILURE
    )
    open_ones = Dataset.objects.filter(waiting, state=DatasetState.OPEN, pictures__isnull=False)
    idle = open_ones.exclude(pk__in=unfinished).exclude(pk__in=failed.values("dataset"))
    return list(idle.distinct().order_by("pk")[:SWEEP])
