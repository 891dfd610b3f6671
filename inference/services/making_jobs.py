"""The life of a making job: leased to one worker, renewed, ended, cancelled, tried again, and healed by the sweep."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.errors import DomainError
from accounts.models import User
from governance.policy import Outcome, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.services import audit_append, audited
from inference.errors import JobConflict
from inference.models import FileForm, Making, MakingJob, MakingPart
from inference.services.making_plans import check_waiting
from inference.signals import making_queued
from inference.states import UNFINISHED, JobState
from registry.errors import NotAvailable
from registry.models import Version
from registry.services.delivery import require_available, require_still_allowed
from registry.services.policy import use_request
from registry.services.uploads import upload_delete
from registry.standing import obstacle_to
from registry.states import VersionState

MAX_ATTEMPTS = 3
SWEEP = 20
RETRIABLE = (JobState.FAILED, JobState.CANCELLED)
FILES = (Making.FORM, Making.CHECKPOINT)  # what is kept as a file for some days


def making_lease(*, job_id: str, worker: str) -> MakingJob | None:
    """Claim the job for this worker, or None when another holds it or nothing is left to do.

    The rights are asked about once more: what was published and allowed when it was queued may not be now.
    """
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = MakingJob.objects.filter(free, pk=job_id, state__in=UNFINISHED).update(
        state=JobState.RUNNING,
        worker=worker[:100],
        lease_token=uuid.uuid4(),
        lease_until=now + settings.JOB_LEASE,
        attempts=F("attempts") + 1,
        started_at=now,
        problem={},
    )
    if not claimed:
        return None
    job = MakingJob.objects.select_related("base_model", "created_by", "owner", "organisation", "upload").get(pk=job_id)
    if job.cancel_requested:
        making_finish(job=job, state=JobState.CANCELLED)
        return None
    if problem := rights_ended(job):
        making_finish(job=job, state=JobState.FAILED, problem=problem)
        return None
    if job.attempts > MAX_ATTEMPTS:
        making_finish(job=job, state=JobState.FAILED, problem=_gave_up(job))
        return None
    return job


def rights_ended(job: MakingJob) -> dict[str, str]:
    """What, why and remedy where something that goes in may not be used any more; empty where all may."""
    parts = job.parts.select_related(
        "version__adapter__owner", "version__base_model", "version__created_by",
        "receipt__acceptance__decision", "receipt__file__version__adapter__owner",
        "receipt__file__version__base_model", "receipt__file__version__created_by",
    )  # fmt: skip
    for part in parts:
        try:
            require_available(part.version)
            if part.receipt is not None:
                require_still_allowed(part.receipt)
            else:
                _require_not_refused(job, part.version)
        except DomainError as error:
            return {"what": "A right that this rests on has ended.", "why": error.detail, "remedy": error.remedy}
        if obstacle := obstacle_to(part.version, Use.MERGING):
            return {"what": obstacle.what, "why": obstacle.why, "remedy": obstacle.remedy}
    return {}


def _require_not_refused(job: MakingJob, version: Version) -> None:
    """A part without a receipt went in because a person decides later: raises NotAvailable once the rules say no."""
    if job.decision is None:
        return
    facts = UseRequest.from_json(job.decision.request).actor
    if decide(use_request(version, Use.MERGING, facts), current_ruleset()).outcome is Outcome.DENY:
        raise NotAvailable(f"{version} may not be merged any more.", remedy="Make it anew without that adapter.")


def _gave_up(job: MakingJob) -> dict[str, str]:
    return {
        "what": f"The work broke off {MAX_ATTEMPTS} times.",
        "why": f"Its worker stopped each time before the result was there; the last was {job.worker or 'unknown'}.",
        "remedy": "Press retry. If it breaks off again, tell the administrator the job's id.",
    }


def _held(job: MakingJob) -> QuerySet[MakingJob]:
    return MakingJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING)


def making_alive(*, job: MakingJob) -> bool:
    """Renew the lease; False when another worker holds the job by now."""
    return bool(_held(job).update(lease_until=timezone.now() + settings.JOB_LEASE))


def making_stage(*, job: MakingJob, stage: str) -> bool:
    """Write down what is being done; False when the job was cancelled or given to another."""
    return bool(_held(job).filter(cancel_requested=False).update(stage=stage[:60]))


def making_still_held(*, job: MakingJob) -> bool:
    """Lock the job's row: True while this worker holds it, and then nobody else ends it before the transaction does."""
    return _held(job).select_for_update(no_key=True).filter(cancel_requested=False).exists()


def making_finish(*, job: MakingJob, state: JobState, problem: dict[str, Any] | None = None, **result: Any) -> bool:
    """End the job unless another worker holds it by now."""
    ended = _held(job).update(
        state=state, problem=problem or {}, lease_until=None, finished_at=timezone.now(), stage="", **result
    )
    return bool(ended)


def making_broke_off(*, job: MakingJob, error: Exception) -> None:
    """After an error that nobody foresaw the sweep hands the job out again; the last time it ends as failed."""
    if job.attempts < MAX_ATTEMPTS:
        _held(job).update(state=JobState.QUEUED, lease_token=None, lease_until=None, stage="")
        return
    # The kind of error only: its text can name folders of the server.
    problem = {
        "what": f"The work broke off {MAX_ATTEMPTS} times.",
        "why": f"The last time it met an unexpected error ({type(error).__name__}), which is in the worker's log.",
        "remedy": "Press retry. If it breaks off again, tell the administrator the job's id.",
    }
    making_finish(job=job, state=JobState.FAILED, problem=problem)


@audited()
def making_cancel(*, job: MakingJob, actor: User) -> MakingJob:
    """Ask the worker to stop; a job that nobody holds yet ends at once. Raises JobConflict."""
    locked = MakingJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    if locked.state not in UNFINISHED:
        raise JobConflict(f"The job is {locked.state}; there is nothing to cancel.")
    locked.cancel_requested = True
    if locked.state == JobState.QUEUED:
        locked.state, locked.finished_at = JobState.CANCELLED, timezone.now()
    locked.save(update_fields=["cancel_requested", "state", "finished_at"])
    audit_append(actor=actor, action="making.cancelled", subject=("inference.making", str(job.pk)))
    return locked


@audited()
def making_retry(*, job: MakingJob, actor: User) -> MakingJob:
    """Try again what failed or was cancelled; the rights are asked about when a worker takes it. Raises JobConflict."""
    check_waiting(actor)
    locked = MakingJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    if locked.state not in RETRIABLE:
        raise JobConflict(f"The job is {locked.state}; there is nothing to try again.")
    if locked.kind == Making.EXTRACT and locked.recipe.get("licence") and locked.upload_id is None:
        raise JobConflict("The checkpoint that was brought is gone.", remedy="Upload it again and extract anew.")
    MakingJob.objects.filter(pk=job.pk).update(
        state=JobState.QUEUED, attempts=0, cancel_requested=False, problem={}, lease_token=None, lease_until=None,
        finished_at=None,
    )  # fmt: skip
    audit_append(actor=actor, action="making.retried", subject=("inference.making", str(job.pk)))
    transaction.on_commit(lambda: making_queued.send(sender=MakingJob, job_id=str(job.pk)))
    locked.refresh_from_db()
    return locked


def makings_due(*, now: datetime | None = None) -> list[str]:
    """Jobs whose message was lost or whose worker is gone."""
    now = now or timezone.now()
    waiting = MakingJob.objects.filter(state__in=UNFINISHED).filter(Q(lease_until=None) | Q(lease_until__lt=now))
    return [str(pk) for pk in waiting.order_by("created_at").values_list("pk", flat=True)[:SWEEP]]


def made_files_forget(*, now: datetime | None = None) -> int:
    """Remove files whose days are over, or of whose parts one is not published any more; how many that were."""
    now = now or timezone.now()
    kept = MakingJob.objects.filter(kind__in=FILES, state=JobState.DONE).exclude(storage_key="")
    withdrawn = MakingPart.objects.filter(job=OuterRef("pk")).exclude(version__state=VersionState.PUBLISHED)
    gone = Q(finished_at__lt=now - settings.MADE_FILES_LIFETIME) | Exists(withdrawn)
    forgotten = list(kept.filter(gone))
    for job in forgotten:
        with transaction.atomic():
            FileForm.objects.filter(job=job).delete()
            MakingJob.objects.filter(pk=job.pk).update(storage_key="")
        default_storage.delete(job.storage_key)
    return len(forgotten)


def brought_forget(*, job: MakingJob) -> None:
    """A checkpoint that was brought is not kept once its extraction has ended well."""
    if job.upload is not None:
        upload_delete(upload=job.upload)
