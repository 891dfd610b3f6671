"""What inference does on news: one line per handler."""

from typing import Any

from django.dispatch import receiver

from inference.signals import preview_queued
from inference.tasks import queue_previews, render_previews
from registry.signals import version_decided


@receiver(version_decided)
def queue_for_decided(version_id: int, **_: Any) -> None:
    queue_previews.delay(version_id)


@receiver(preview_queued)
def render_queued(job_id: str, **_: Any) -> None:
    render_previews.delay(job_id)
