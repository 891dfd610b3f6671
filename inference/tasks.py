"""Background work of inference: rendering previews on a GPU worker, and the sweep that heals it."""

import os
import socket

from celery import shared_task
from django.db import OperationalError

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


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_previews() -> None:
    """Hand out again what lost its message or its worker."""
    for version in versions_without_previews():
        preview_queue(version=version)
    for job_id in previews_due():
        render_previews.delay(job_id)
