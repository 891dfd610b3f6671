"""The numbers beside a version's previews: measured from the pictures once a job is finished."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from inference.effects import Shot, effects_of, lab_of
from inference.models import PreviewFacts, PreviewJob
from inference.plan import reference_strength
from inference.states import JobState
from moderation.models import WeightFingerprint
from moderation.screening.weights import nearest_versions
from registry.models import Version, VersionImage

MOST_ALIKE = 20  # kept; a reader is shown the few of them that they may see
LEAST_ALIKE = 0.3  # five standard errors of the estimate: below, a large registry shows chance
SWEEP = 20
LATELY = timedelta(days=30)  # what could not be measured for that long is given up


def preview_measure(*, job_id: str) -> PreviewFacts | None:
    """Measure the pictures of a finished job; None where it is not finished or a later job took its pictures over.

    Safe to repeat: the same pictures give the same numbers.
    """
    job = PreviewJob.objects.select_related("version").filter(pk=job_id, state=JobState.DONE).first()
    if job is None or job.version.preview_jobs.filter(created_at__gt=job.created_at, state=JobState.DONE).exists():
        return None
    reference = reference_strength(job.version.strength)
    effects = effects_of([_shot(image) for image in job.version.images.all()], reference=reference)
    facts, _ = PreviewFacts.objects.update_or_create(
        job=job,
        defaults={
            "reference": reference,
            "curve": [list(point) for point in effects.curve],
            "change": effects.change,
            "with_trigger": effects.with_trigger,
            "without_trigger": effects.without_trigger,
            "diversity": effects.diversity,
            "base_diversity": effects.base_diversity,
            "alike": _alike(job.version),
            "measured_at": timezone.now(),
        },
    )
    return facts


def _shot(image: VersionImage) -> Shot:
    with default_storage.open(image.storage_key, "rb") as file:
        content = file.read()
    with Image.open(BytesIO(content)) as picture:
        return Shot(image.shows, image.prompt, image.seed, image.strength, lab_of(picture))


def _alike(version: Version) -> list[list[Any]]:
    """Versions of other adapters for the same base whose weights point the same way."""
    kept = WeightFingerprint.objects.filter(version=version).select_related("version__adapter").first()
    if kept is None:
        return []
    near = nearest_versions(kept, minimum=LEAST_ALIKE)
    others = [
        [other.pk, round(likeness, 3)]
        for other, likeness in near
        if other.adapter_id != version.adapter_id and other.base_model_id == version.base_model_id
    ]
    return others[:MOST_ALIKE]


def previews_unmeasured() -> list[str]:
    """Finished jobs whose news was lost, the newest of each version; also those of before there were numbers."""
    lately = timezone.now() - LATELY
    newest = PreviewJob.objects.filter(state=JobState.DONE).order_by("version_id", "-created_at").distinct("version_id")
    waiting = PreviewJob.objects.filter(pk__in=newest.values("pk"), facts=None, finished_at__gt=lately)
    return [str(pk) for pk in waiting.values_list("pk", flat=True)[:SWEEP]]
