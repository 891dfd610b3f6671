"""Preview jobs: the decision behind each, one worker at a time, cancelled, repeated, given up, and found again."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from governance.handles import actor_names
from governance.models import AuditEntry, DecisionRecord
from inference.errors import JobConflict
from inference.models import PreviewJob
from inference.services.previews import (
    MAX_ATTEMPTS,
    job_alive,
    job_broke_off,
    job_finish,
    job_progress,
    preview_cancel,
    preview_lease,
    preview_queue,
    preview_retry,
    previews_awaited,
    previews_due,
    versions_without_previews,
)
from inference.states import JobState
from registry.models import Version
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


def _lease(job: PreviewJob, worker: str = "first") -> PreviewJob:
    leased = preview_lease(job_id=str(job.pk), worker=worker)
    assert leased is not None
    return leased


def _worker_dies(job: PreviewJob) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def _state(job: PreviewJob) -> str:
    job.refresh_from_db()
    return job.state


# Queueing


def test_queued_job_keeps_the_decision_that_allowed_it(job: PreviewJob, version: Version, ada: User) -> None:
    assert (job.state, job.pictures_total, job.problem, job.finished_at) == ("queued", 4, {}, None)
    record = DecisionRecord.objects.get(pk=job.decision_id)
    assert (record.outcome, record.action, record.actor) == ("allow", "preview", ada)
    assert record.subject_id == str(version.pk)


def test_licence_that_forbids_previews_skips_them_with_the_reason(ada: User, settings: Any) -> None:
    version = make_version(
        actor=ada, content=lora_bytes(width=2048), declared={"base_model": "flux-1-pro", "licence_id": "flux-1-pro"}
    )
    settings.BASE_MODEL_LOCATIONS = {**settings.BASE_MODEL_LOCATIONS, "flux-1-pro": "/models/flux"}
    job = preview_queue(version=version)
    assert job is not None
    assert job.state == JobState.SKIPPED
    assert job.finished_at is not None
    record = DecisionRecord.objects.get(pk=job.decision_id)
    assert record.outcome != "allow"
    assert job.problem["what"] == "No preview is rendered here."
    assert job.problem["why"] == record.reasons[0]["message"]
    assert "decision" in job.problem["remedy"]


def test_base_without_weights_skips_with_what_to_set(ada: User) -> None:
    version = make_version(
        actor=ada,
        content=lora_bytes(width=768),
        declared={"base_model": "sd-1-5", "licence_id": "creativeml-openrail-m"},
    )
    job = preview_queue(version=version)
    assert job is not None
    assert (job.state, job.pictures_total) == (JobState.SKIPPED, 0)
    assert DecisionRecord.objects.get(pk=job.decision_id).outcome == "allow"
    assert "are not on this registry's workers" in job.problem["why"]
    assert "BASE_MODEL_LOCATIONS=sd-1-5=" in job.problem["remedy"]


def test_version_has_one_unfinished_job(job: PreviewJob, version: Version) -> None:
    assert preview_queue(version=version) is None
    _lease(job)
    assert preview_queue(version=version) is None
    with pytest.raises(IntegrityError, match="one_unfinished_preview_per_version"), transaction.atomic():
        PreviewJob.objects.create(version=version)
    assert version.preview_jobs.count() == 1


def test_state_outside_the_list_is_refused_by_the_database(version: Version) -> None:
    with pytest.raises(IntegrityError, match="preview_state_known"), transaction.atomic():
        PreviewJob.objects.create(version=version, state="lost")


# One worker at a time


def test_lease_gives_the_job_to_one_worker(job: PreviewJob) -> None:
    leased = _lease(job, "w" * 300)
    assert (leased.state, leased.attempts, leased.worker) == (JobState.RUNNING, 1, "w" * 100)
    assert leased.lease_until is not None
    assert timezone.now() < leased.lease_until <= timezone.now() + settings.JOB_LEASE
    assert preview_lease(job_id=str(job.pk), worker="second") is None


def test_job_of_a_dead_worker_goes_to_the_next(job: PreviewJob) -> None:
    first = _lease(job)
    _worker_dies(job)
    second = _lease(job, "second")
    assert (second.worker, second.attempts) == ("second", 2)
    assert second.lease_token != first.lease_token


def test_late_worker_can_write_nothing(job: PreviewJob) -> None:
    late = _lease(job)
    _worker_dies(job)
    current = _lease(job, "second")
    assert job_progress(job=late, pictures_done=3, step=1, steps=2) is False
    assert job_finish(job=late, state=JobState.DONE) is False
    assert job_alive(job=late) is False
    job_broke_off(job=late, error=RuntimeError())
    job.refresh_from_db()
    assert (job.state, job.pictures_done, job.worker, job.lease_until) == (
        JobState.RUNNING,
        0,
        "second",
        current.lease_until,
    )


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED])
def test_finished_job_is_not_leased(job: PreviewJob, state: JobState) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(state=state)
    assert preview_lease(job_id=str(job.pk), worker="any") is None
    assert _state(job) == state


def test_job_that_is_not_there_is_not_leased(db: None) -> None:
    assert preview_lease(job_id=str(uuid.uuid4()), worker="any") is None


def test_progress_is_written_and_renews_the_lease(job: PreviewJob) -> None:
    leased = _lease(job)
    _worker_dies(job)
    assert job_progress(job=leased, pictures_done=1, step=10, steps=20) is True
    job.refresh_from_db()
    assert (job.pictures_done, job.step, job.steps) == (1, 10, 20)
    assert job.share == 1.5 / 4
    assert job.lease_until > timezone.now()
    assert preview_lease(job_id=str(job.pk), worker="second") is None


def test_sign_of_life_renews_the_lease_alone(job: PreviewJob) -> None:
    leased = _lease(job)
    _worker_dies(job)
    assert job_alive(job=leased) is True
    job.refresh_from_db()
    assert job.lease_until > timezone.now()
    assert (job.pictures_done, job.step) == (0, 0)


def test_share_stays_within_one(job: PreviewJob) -> None:
    job.pictures_done, job.step, job.steps = 4, 20, 20
    assert job.share == 1.0
    job.pictures_total = 0
    assert job.share == 0.0


def test_finishing_keeps_the_problem_and_ends_the_lease(job: PreviewJob) -> None:
    assert job_finish(job=_lease(job), state=JobState.FAILED, problem={"what": "x"}) is True
    job.refresh_from_db()
    assert (job.state, job.problem, job.lease_until) == (JobState.FAILED, {"what": "x"}, None)
    assert job.finished_at is not None


# Cancelling and repeating


def test_cancelling_a_queued_job_ends_it_at_once(job: PreviewJob, ada: User) -> None:
    preview_cancel(job=job, actor=ada)
    assert _state(job) == JobState.CANCELLED
    assert job.finished_at is not None
    assert preview_lease(job_id=str(job.pk), worker="any") is None
    entry = AuditEntry.objects.get(action="preview.cancelled")
    assert (actor_names([entry.actor]), entry.subject_id) == ({entry.actor: "ada"}, str(job.pk))


def test_cancelling_a_running_job_asks_its_worker(job: PreviewJob, ada: User) -> None:
    leased = _lease(job)
    preview_cancel(job=job, actor=ada)
    assert _state(job) == JobState.RUNNING
    assert job_progress(job=leased, pictures_done=0, step=1, steps=20) is False
    assert job_finish(job=leased, state=JobState.CANCELLED) is True
    assert _state(job) == JobState.CANCELLED


def test_cancelled_job_of_a_dead_worker_is_not_begun_again(job: PreviewJob, ada: User) -> None:
    _lease(job)
    preview_cancel(job=job, actor=ada)
    _worker_dies(job)
    assert preview_lease(job_id=str(job.pk), worker="second") is None
    assert _state(job) == JobState.CANCELLED


def test_finished_job_cannot_be_cancelled(job: PreviewJob, ada: User) -> None:
    job_finish(job=_lease(job), state=JobState.DONE)
    with pytest.raises(JobConflict, match="The job is done"):
        preview_cancel(job=job, actor=ada)
    assert _state(job) == JobState.DONE


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED])
def test_retry_makes_a_job_of_its_own(job: PreviewJob, ada: User, state: JobState) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(state=state)
    job.refresh_from_db()
    again = preview_retry(job=job, actor=ada)
    assert again.pk != job.pk
    assert (again.state, again.attempts) == (JobState.QUEUED, 0)
    assert again.decision_id != job.decision_id
    assert _state(job) == state
    assert AuditEntry.objects.get(action="preview.retried").subject_id == str(again.pk)


def test_unfinished_job_cannot_be_repeated(job: PreviewJob, ada: User) -> None:
    with pytest.raises(JobConflict, match="queued"):
        preview_retry(job=job, actor=ada)


def test_second_retry_finds_the_first(job: PreviewJob, ada: User) -> None:
    preview_cancel(job=job, actor=ada)
    job.refresh_from_db()
    preview_retry(job=job, actor=ada)
    with pytest.raises(JobConflict, match="Another job"):
        preview_retry(job=job, actor=ada)
    assert AuditEntry.objects.filter(action="preview.retried").count() == 1


# Giving up


def test_job_is_given_up_after_three_dead_workers(job: PreviewJob) -> None:
    for attempt in range(MAX_ATTEMPTS):
        _lease(job, f"worker-{attempt}")
        _worker_dies(job)
    assert preview_lease(job_id=str(job.pk), worker="worker-4") is None
    assert _state(job) == JobState.FAILED
    assert job.problem["what"] == "The rendering broke off 3 times."
    assert job.problem["remedy"].startswith("Press retry.")


def test_job_that_met_an_unexpected_error_waits_for_the_sweep(job: PreviewJob) -> None:
    job_broke_off(job=_lease(job), error=RuntimeError("/secret/path"))
    assert _state(job) == JobState.QUEUED
    assert (job.lease_until, job.lease_token, job.attempts) == (None, None, 1)
    assert previews_due() == [str(job.pk)]


def test_job_fails_with_the_kind_of_its_last_unexpected_error(job: PreviewJob) -> None:
    for _ in range(MAX_ATTEMPTS):
        job_broke_off(job=_lease(job), error=RuntimeError("/secret/path"))
    assert _state(job) == JobState.FAILED
    assert "RuntimeError" in job.problem["why"]
    assert "/secret" not in str(job.problem)
    assert job.problem["remedy"]
    assert previews_due() == []


# What the sweep finds


def test_sweep_finds_jobs_without_a_message_or_a_worker(job: PreviewJob) -> None:
    assert previews_due() == [str(job.pk)]
    _lease(job)
    assert previews_due() == []
    assert previews_due(now=timezone.now() + settings.JOB_LEASE + timedelta(seconds=1)) == [str(job.pk)]


def test_sweep_leaves_finished_jobs_alone(job: PreviewJob) -> None:
    job_finish(job=_lease(job), state=JobState.DONE)
    assert previews_due(now=timezone.now() + timedelta(days=1)) == []


def test_sweep_finds_inspected_versions_without_a_job(version: Version, ada: User) -> None:
    make_submitted(actor=ada, name="waiting", content=lora_bytes(seed=2))
    assert versions_without_previews() == [version]
    preview_queue(version=version)
    assert versions_without_previews() == []


def test_previews_are_awaited_only_where_a_job_will_come(version: Version, ada: User) -> None:
    assert previews_awaited(version) is True
    assert previews_awaited(make_submitted(actor=ada, name="waiting", content=lora_bytes(seed=2))) is False
    with transaction.atomic():
        version_transition(version=version, to=VersionState.WITHDRAWN, actor=ada, detail={"what": "x"})
    version.refresh_from_db()
    assert previews_awaited(version) is False
    assert versions_without_previews() == []
