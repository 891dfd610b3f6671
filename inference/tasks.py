"""Background work of inference: rendering previews on a GPU worker, and the sweep that heals it."""

import os
import socket

from celery import shared_task
from django.db import OperationalError

from inference.services.galleries import galleries_forget
from inference.services.generation_leasing import pictures_wait
from inference.services.generation_results import generations_forget, looks_due
from inference.services.making_jobs import made_files_forget, makings_due
from inference.services.preview_facts import preview_measure, previews_unmeasured
from inference.services.previews import preview_queue, previews_awaited, previews_due, versions_without_previews
from registry.models import Version


@shared_task(
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=50,
    time_limit=60,
)
def queue_previews(version_id: int) -> None:
    version = Version.objects.select_related("base_model", "adapter__owner", "created_by").get(pk=version_id)
    if previews_awaited(version):
        preview_queue(version=version)


@shared_task(
    autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=1700, time_limit=1800
)
def render_previews(job_id: str) -> None:
    # Imported here, and only here, so that no other process of the house ever loads torch.
    from inference.rendering import preview_render

    preview_render(job_id=job_id, worker=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=170, time_limit=180)
def measure_previews(job_id: str) -> None:
    """Put numbers beside the pictures of a finished job."""
    preview_measure(job_id=job_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_previews() -> None:
    """Hand out again what lost its message or its worker."""
    for version in versions_without_previews():
        preview_queue(version=version)
    for job_id in previews_due():
        render_previews.delay(job_id)
    for job_id in previews_unmeasured():
        measure_previews.delay(job_id)


@shared_task(
    autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=1700, time_limit=1800
)
def make_files(job_id: str) -> None:
    """A merge, an extraction, another form of a file, or a conflict report."""
    from inference.making import make

    make(job_id=job_id, worker=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_makings() -> None:
    """Hand out again what lost its message or its worker, and remove files whose days are over."""
    for job_id in makings_due():
        make_files.delay(job_id)
    made_files_forget()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=900, time_limit=960)
def draw_generations() -> None:
    """Draw what is next, once; where more waits, another message lets other work of this queue come between."""
    from inference.generating import draw_next

    if draw_next(worker=f"{socket.gethostname()}:{os.getpid()}") and pictures_wait():
        draw_generations.delay()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=170, time_limit=180)
def check_generated(picture_id: str) -> None:
    """Look at a drawn picture before its user sees it."""
    from inference.generated_checking import picture_check

    picture_check(picture_id=picture_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_generations() -> None:
    """Wake workers for what lost its message or its worker."""
    if pictures_wait():
        draw_generations.delay()
    for picture_id in looks_due():
        check_generated.delay(picture_id)


@shared_task(soft_time_limit=540, time_limit=600)
def forget_generations() -> None:
    """Delete prompts and pictures whose time is over, and the settings of what was taken out of its gallery."""
    generations_forget()
    galleries_forget()
