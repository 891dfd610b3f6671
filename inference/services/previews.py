"""Preview jobs: queued, leased to one worker, rendered, cancelled, repeated, and healed by the sweep."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from governance.policy import ActorFacts, Outcome, Use
from governance.services import audit_append, audited, decide_and_record
from inference.errors import JobConflict
from inference.models import PreviewJob
from inference.plan import preview_plan
from inference.signals import preview_queued
from inference.states import REPEATABLE, UNFINISHED, JobState
from registry.models import Version
from registry.services.policy import use_request
from registry.standing import obstacle_to
from registry.states import VersionState

MAX_ATTEMPTS = 3
SWEEP = 20  # jobs that one sweep hands out again: a long queue must not fill the broker with second messages
# What this house states about itself when it renders a preview: no payment, a filter and the AI mark are in place.
HOUSE_FACTS = ActorFacts(
    receives_payment=False,
    serves_end_users=True,
    offers_related_service=True,
    filters_content=True,
    discloses_ai=True,
    trains_competing_model=False,
    biometric_processing=False,
)


@audited()
def preview_queue(*, version: Version, actor: User | None = None) -> PreviewJob | None:
    """Queue the previews of `version`; None when a job is unfinished already.

    The policy engine decides first; what it does not allow, and what has no weights here, is kept as skipped.
    """
    decision, record = decide_and_record(
        request=use_request(version, Use.PREVIEW, HOUSE_FACTS),
        actor=actor or version.created_by,
        organisation=version.adapter.owner.organisation,
        subject=("registry.version", str(version.pk), str(version)),
        action=Use.PREVIEW.value,
    )
    problem = {} if decision.outcome is Outcome.ALLOW else _not_allowed(decision.reasons[0].message)
    problem = problem or weights_missing(version) or _stands_against(version)
    try:
        with transaction.atomic():
            job = PreviewJob.objects.create(
                version=version,
                state=JobState.SKIPPED if problem else JobState.QUEUED,
                problem=problem,
                decision=record,
                pictures_total=0 if problem else len(preview_plan(version)),
                finished_at=timezone.now() if problem else None,
            )
    except IntegrityError:
        return None
    if not problem:
        transaction.on_commit(lambda: preview_queued.send(sender=PreviewJob, job_id=str(job.pk)))
    return job


def _not_allowed(reason: str) -> dict[str, str]:
    return {
        "what": "No preview is rendered here.",
        "why": reason,
        "remedy": "The decision lists every reason and its clause.",
    }


def _stands_against(version: Version) -> dict[str, str]:
    """What, why and remedy where a preview may not be made at this moment; empty where nothing stands against it."""
    obstacle = obstacle_to(version, Use.PREVIEW)
    return {} if obstacle is None else {"what": obstacle.what, "why": obstacle.why, "remedy": obstacle.remedy}


def weights_missing(version: Version) -> dict[str, str]:
    """What, why and remedy where no worker here has the base model; empty where one has."""
    if version.base_model.slug in settings.BASE_MODEL_LOCATIONS:
        return {}
    return {
        "what": "No preview is rendered here.",
        "why": f"The weights of {version.base_model.name} are not on this registry's workers.",
        "remedy": f"An administrator can name a folder or hub id: BASE_MODEL_LOCATIONS={version.base_model.slug}=…",
    }


def preview_lease(*, job_id: str, worker: str) -> PreviewJob | None:
    """Claim the job for this worker, or None when another holds it or nothing is left to do."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = PreviewJob.objects.filter(free, pk=job_id, state__in=UNFINISHED).update(
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
    job = PreviewJob.objects.select_related(
        "version__base_model", "version__adapter__owner", "version__created_by"
    ).get(pk=job_id)
    if job.cancel_requested:
        job_finish(job=job, state=JobState.CANCELLED)
        return None
    if problem := _stands_against(job.version):
        job_finish(job=job, state=JobState.FAILED, problem=problem)
        return None
    if job.attempts > MAX_ATTEMPTS:
        job_finish(job=job, state=JobState.FAILED, problem=_gave_up(job))
        return None
    return job


def _gave_up(job: PreviewJob) -> dict[str, str]:
    return {
        "what": f"The rendering broke off {MAX_ATTEMPTS} times.",
        "why": "Its worker stopped each time before the pictures were finished; the last was "
        + (job.worker or "unknown"),
        "remedy": "Press retry. If it breaks off again, tell the administrator the job's id.",
    }


def job_progress(*, job: PreviewJob, pictures_done: int, step: int, steps: int) -> bool:
    """Write down how far the job is and renew its lease; False when it was cancelled or given to another."""
    held = PreviewJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING)
    renewed = held.filter(cancel_requested=False).update(
        pictures_done=pictures_done, step=step, steps=steps, lease_until=timezone.now() + settings.JOB_LEASE
    )
    return bool(renewed)


def job_alive(*, job: PreviewJob) -> bool:
    """Renew the lease while nothing else can be told; False when another worker holds the job by now."""
    held = PreviewJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING)
    return bool(held.update(lease_until=timezone.now() + settings.JOB_LEASE))


def job_broke_off(*, job: PreviewJob, error: Exception) -> None:
    """After an error that nobody foresaw the sweep hands the job out again; the last time it ends as failed."""
    if job.attempts >= MAX_ATTEMPTS:
        job_finish(job=job, state=JobState.FAILED, problem=_broken_by(error))
        return
    held = PreviewJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING)
    held.update(state=JobState.QUEUED, lease_token=None, lease_until=None)


def _broken_by(error: Exception) -> dict[str, str]:
    # The kind of error only: its text can name folders of the server.
    return {
        "what": f"The rendering broke off {MAX_ATTEMPTS} times.",
        "why": f"The last time it met an unexpected error ({type(error).__name__}), which is in the worker's log.",
        "remedy": "Press retry. If it breaks off again, tell the administrator the job's id.",
    }


def job_finish(*, job: PreviewJob, state: JobState, problem: dict[str, Any] | None = None) -> bool:
    """End the job unless another worker holds it by now."""
    ended = PreviewJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING).update(
        state=state, problem=problem or {}, lease_until=None, finished_at=timezone.now()
    )
    return bool(ended)


@audited()
def preview_cancel(*, job: PreviewJob, actor: User) -> None:
    """Ask the worker to stop; a job that nobody holds yet ends at once."""
    locked = PreviewJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    if locked.state not in UNFINISHED:
        raise JobConflict(f"The job is {locked.state}; there is nothing to cancel.")
    locked.cancel_requested = True
    if locked.state == JobState.QUEUED:
        locked.state, locked.finished_at = JobState.CANCELLED, timezone.now()
    locked.save(update_fields=["cancel_requested", "state", "finished_at"])
    _log(actor, "preview.cancelled", locked)


@audited()
def preview_retry(*, job: PreviewJob, actor: User) -> PreviewJob:
    """Render the previews of the job's version again."""
    if job.state not in REPEATABLE:
        raise JobConflict(f"The job is {job.state}; wait until it ends, or cancel it.")
    again = preview_queue(version=job.version, actor=actor)
    if again is None:
        raise JobConflict("Another job renders these previews already.")
    _log(actor, "preview.retried", again)
    return again


def _log(actor: User, action: str, job: PreviewJob) -> None:
    data = {"version": job.version_id}
    audit_append(actor=actor, action=action, subject=("inference.preview", str(job.pk)), data=data)


def previews_due(*, now: datetime | None = None) -> list[str]:
    """Jobs whose message was lost or whose worker is gone."""
    now = now or timezone.now()
    waiting = PreviewJob.objects.filter(state__in=UNFINISHED).filter(Q(lease_until=None) | Q(lease_until__lt=now))
    oldest = waiting.order_by("created_at").values_list("pk", flat=True)[:SWEEP]
    return [str(pk) for pk in oldest]


# Nothing is made with what the screening stopped at: a moderator looks at the file and its words first.
PREVIEWED = Q(state=VersionState.PUBLISHED) | Q(state=VersionState.IN_REVIEW, findings=[])


def previews_awaited(version: Version) -> bool:
    """Whether a job for this version is still to be made: its news is on the way, or the sweep will find it."""
    return Version.objects.filter(PREVIEWED, pk=version.pk, revision__isnull=False).exists()


def versions_without_previews() -> list[Version]:
    """Inspected versions for which no job was ever made, because the news of them was lost."""
    inspected = Version.objects.filter(PREVIEWED, revision__isnull=False)
    return list(inspected.filter(preview_jobs=None).select_related("base_model", "adapter__owner", "created_by")[:50])
