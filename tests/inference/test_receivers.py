"""News makes work: an inspected version gets a job, a queued job a message for the GPU workers."""

from typing import Any

import pytest

from accounts.models import User
from inference.models import PreviewJob
from inference.services.previews import preview_queue
from inference.states import JobState
from registry.models import Version
from tests.factories.registry import inspect_and_screen, make_submitted
from tests.inference.messages import taken

pytestmark = pytest.mark.django_db
QUEUE, RENDER = "inference.tasks.queue_previews", "inference.tasks.render_previews"


@pytest.fixture(autouse=True)
def _empty_queues() -> None:
    for queue in ("default", "gpu"):
        taken(queue)


def test_inspected_version_asks_for_previews(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    version = make_submitted(actor=ada)
    with django_capture_on_commit_callbacks(execute=True):
        inspect_and_screen(version_id=version.pk)
    assert (QUEUE, [version.pk]) in taken("default")
    assert not version.preview_jobs.exists()


def test_refused_file_asks_for_none(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    version = make_submitted(actor=ada, content=b"\x80\x04 no safetensors")
    with django_capture_on_commit_callbacks(execute=True):
        inspect_and_screen(version_id=version.pk)
    assert [task for task, _ in taken("default")].count(QUEUE) == 0


def test_queued_job_wakes_a_gpu_worker_after_the_commit(
    version: Version, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = preview_queue(version=version)
        assert taken("gpu") == []
    assert job is not None
    assert taken("gpu") == [(RENDER, [str(job.pk)])]


def test_skipped_job_wakes_nobody(version: Version, settings: Any, django_capture_on_commit_callbacks: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {}
    with django_capture_on_commit_callbacks(execute=True):
        job = preview_queue(version=version)
    assert job is not None
    assert job.state == JobState.SKIPPED
    assert taken("gpu") == []
    assert PreviewJob.objects.count() == 1
