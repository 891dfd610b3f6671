"""What inference does on news: one line per handler."""

from typing import Any

from django.dispatch import receiver

from inference.signals import generation_queued, making_queued, picture_drawn, preview_queued, previews_rendered
from inference.tasks import (
    check_generated,
    draw_generations,
    make_files,
    measure_previews,
    queue_previews,
    render_previews,
)
from registry.signals import version_decided


@receiver(version_decided)
def queue_for_decided(version_id: int, **_: Any) -> None:
    queue_previews.delay(version_id)


@receiver(preview_queued)
def render_queued(job_id: str, **_: Any) -> None:
    render_previews.delay(job_id)


@receiver(making_queued)
def make_queued(job_id: str, **_: Any) -> None:
    make_files.delay(job_id)


@receiver(generation_queued)
def draw_queued(**_: Any) -> None:
    draw_generations.delay()


@receiver(picture_drawn)
def check_drawn(picture_id: str, **_: Any) -> None:
    check_generated.delay(picture_id)


@receiver(previews_rendered)
def measure_rendered(job_id: str, **_: Any) -> None:
    measure_previews.delay(job_id)
