"""The tasks of previews, called as a worker calls them; no process but the GPU worker loads torch."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from inference.models import PreviewJob
from inference.services.previews import preview_lease
from inference.states import JobState
from inference.tasks import queue_previews, render_previews, sweep_previews
from registry.models import Version
from tests.factories.registry import make_version
from tests.inference.messages import taken
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
RENDER = "inference.tasks.render_previews"


def test_message_that_comes_twice_makes_one_job(version: Version) -> None:
    queue_previews(version.pk)
    queue_previews(version.pk)
    assert version.preview_jobs.count() == 1


def test_message_for_a_finished_job_does_nothing(job: PreviewJob) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)
    render_previews(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.CANCELLED, 0)


def test_sweep_hands_out_lost_jobs_and_queues_forgotten_versions(
    job: PreviewJob, ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    forgotten = make_version(actor=ada, name="forgotten", content=lora_bytes(seed=2))
    held = PreviewJob.objects.create(
        version=make_version(actor=ada, name="held", content=lora_bytes(seed=3)), pictures_total=4
    )
    assert preview_lease(job_id=str(held.pk), worker="alive") is not None
    taken("gpu")
    with django_capture_on_commit_callbacks(execute=True):
        sweep_previews()
    made = forgotten.preview_jobs.get()
    woken = {str(arguments[0]) for task, arguments in taken("gpu") if task == RENDER}
    assert woken == {str(job.pk), str(made.pk)}


def test_sweep_hands_out_the_job_of_a_dead_worker(job: PreviewJob) -> None:
    assert preview_lease(job_id=str(job.pk), worker="dead") is not None
    taken("gpu")
    sweep_previews()
    assert taken("gpu") == []
    PreviewJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep_previews()
    assert taken("gpu") == [(RENDER, [str(job.pk)])]


def test_every_wait_for_a_job_ends() -> None:
    """A message is acknowledged after the work, and the lease and the sweep are shorter than anybody's patience."""
    assert render_previews.acks_late or settings.CELERY_TASK_ACKS_LATE
    assert render_previews.soft_time_limit < render_previews.time_limit
    assert settings.CELERY_BEAT_SCHEDULE["previews"]["schedule"] <= settings.JOB_LEASE.total_seconds()


def test_web_and_celery_do_not_load_torch() -> None:
    code = (
        "import config.wsgi, config.celery, sys, django; django.setup(); "
        "import inference.tasks, inference.views, inference.api, config.urls; "
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
