"""Rendering a preview job: the base, the adapter at each strength, the marks, the pictures on the version.

Imported by workers only: it loads torch.
"""

import hashlib
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL import Image

from inference.engine import (
    BaseSpec,
    Cancelled,
    EngineError,
    RenderRequest,
    applied,
    load_base,
    make_local_certificate,
    mark_png,
    quiet,
    read_adapter,
    render,
)
from inference.models import PreviewJob
from inference.plan import Picture, preview_plan
from inference.services.previews import (
    job_alive,
    job_broke_off,
    job_finish,
    job_progress,
    preview_lease,
    weights_missing,
)
from inference.signals import previews_rendered
from inference.states import JobState
from registry.leases import lease_kept
from registry.models import Version, VersionImage
from registry.pictures import blurhash_of
from registry.services.listing import adapter_refresh
from registry.signals import pictures_added
from registry.storage import local_copy, store_bytes

SECONDS_BETWEEN_REPORTS = 0.5


@lru_cache(maxsize=1)
def _pipeline(family: str, location: str) -> Any:
    """The base in memory; one at a time, because each fills a good part of a GPU."""
    quiet()
    return load_base(BaseSpec(family=family, location=location, device=settings.PREVIEW_DEVICE))


def preview_render(*, job_id: str, worker: str) -> None:
    """Render the job unless another worker holds it; safe to call again at any time."""
    job = preview_lease(job_id=job_id, worker=worker)
    if job is None:
        return
    try:
        with lease_kept(renew=partial(job_alive, job=job), lifetime=settings.JOB_LEASE):
            _render(job)
    except Cancelled:
        job_finish(job=job, state=JobState.CANCELLED)
    except EngineError as error:
        job_finish(job=job, state=JobState.FAILED, problem=_problem(error))
    except (SoftTimeLimitExceeded, MemoryError, torch.OutOfMemoryError) as error:
        _pipeline.cache_clear()  # it may have hit while weights were put back
        late = isinstance(error, SoftTimeLimitExceeded)
        job_finish(job=job, state=JobState.FAILED, problem=TOO_LONG if late else OUT_OF_MEMORY)
    except Exception as error:
        _pipeline.cache_clear()
        job_broke_off(job=job, error=error)
        raise


def _problem(error: EngineError) -> dict[str, str]:
    return {"what": error.what, "why": error.why, "remedy": error.remedy}


TOO_LONG = {
    "what": "The rendering took too long and was stopped.",
    "why": "A preview may take half an hour at most.",
    "remedy": "Press retry when the workers are less busy.",
}
OUT_OF_MEMORY = {
    "what": "The worker ran out of memory.",
    "why": "The base model and the adapter together need more than it has.",
    "remedy": "Ask the administrator to render this base model on a larger worker.",
}


def _render(job: PreviewJob) -> None:
    version = job.version
    pipe = _base(version)
    file = version.files.select_related("blob").get(is_primary=True)
    with local_copy(file.blob.storage_key) as path:
        adapter = read_adapter(path)
    mine = version.images.filter(created_at__gte=job.created_at)  # an earlier worker's, not an earlier job's
    finished = set(mine.values_list("row", "column"))
    for done, picture in enumerate(preview_plan(version)):
        if (picture.row, picture.column) in finished:
            continue
        report = _reporter(job, done)
        report(0, picture.settings.steps)
        _keep(job, version, picture, _picture(pipe, adapter, picture, report))
    with transaction.atomic():
        if job_finish(job=job, state=JobState.DONE):
            adapter_refresh(adapter=version.adapter)
            transaction.on_commit(lambda: pictures_added.send(sender=Version, version_id=version.pk))
            transaction.on_commit(lambda: previews_rendered.send(sender=PreviewJob, job_id=str(job.pk)))
    PreviewJob.objects.filter(pk=job.pk, state=JobState.DONE).update(pictures_done=job.pictures_total, step=0)


def _base(version: Version) -> Any:
    problem = weights_missing(version)
    if problem:  # the settings of this worker are not those under which the job was queued
        raise EngineError(**problem)
    base = version.base_model
    return _pipeline(base.family, settings.BASE_MODEL_LOCATIONS[base.slug])


def _picture(pipe: Any, adapter: Any, picture: Picture, report: Any) -> Image.Image:
    sampling = picture.settings
    request = RenderRequest(
        prompt=picture.prompt,
        seed=picture.seed,
        steps=sampling.steps,
        guidance=sampling.guidance,
        width=sampling.width,
        height=sampling.height,
    )
    if picture.strength == 0:
        return render(pipe, request, on_step=report)
    with applied(pipe, adapter, weight=picture.strength):
        return render(pipe, request, on_step=report)


def _reporter(job: PreviewJob, done: int) -> Any:
    """A callback that writes the progress at most twice a second, and stops the work when it was cancelled."""
    last = 0.0

    def report(step: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_REPORTS and step:
            return
        last = now
        if not job_progress(job=job, pictures_done=done, step=step, steps=total):
            raise Cancelled

    return report


def _keep(job: PreviewJob, version: Version, picture: Picture, image: Image.Image) -> None:
    """Mark the picture as AI-generated, store it, and put it on the version, unless the job went to another."""
    content = mark_png(image, _facts(version, picture, image), certificate=_certificate())
    digest = hashlib.sha256(content).hexdigest()
    key = f"images/{version.pk}/{digest}.png"
    store_bytes(content=content, key=key)
    with transaction.atomic():
        held = PreviewJob.objects.select_for_update(no_key=True).filter(pk=job.pk, lease_token=job.lease_token)
        if not held.filter(state=JobState.RUNNING).exists():
            raise Cancelled
        place: dict[str, Any] = {"version": version, "row": picture.row, "column": picture.column}
        before = list(VersionImage.objects.filter(**place).values_list("storage_key", flat=True))
        facts = {**_row(version, picture, image), "storage_key": key, "sha256": digest, "marks": MARKS}
        VersionImage.objects.update_or_create(
            **place, defaults={**facts, "created_at": timezone.now(), "screened_at": None}
        )
        for replaced in before:
            transaction.on_commit(partial(default_storage.delete, replaced))


MARKS = {"iptc": "trainedAlgorithmicMedia", "c2pa": True}


def _certificate() -> Any:
    return make_local_certificate(Path(settings.KEYS_DIR) / "c2pa")


def _row(version: Version, picture: Picture, image: Image.Image) -> dict[str, Any]:
    return {
        "shows": picture.shows,
        "prompt": picture.prompt,
        "seed": picture.seed,
        "steps": picture.settings.steps,
        "guidance": picture.settings.guidance,
        "sampler": "",
        "strength": picture.strength,
        "base_model": version.base_model.slug,
        "width": image.width,
        "height": image.height,
        "blurhash": blurhash_of(image),
    }


def _facts(version: Version, picture: Picture, image: Image.Image) -> dict[str, Any]:
    return {
        "prompt": picture.prompt,
        "seed": picture.seed,
        "steps": picture.settings.steps,
        "guidance": picture.settings.guidance,
        "width": image.width,
        "height": image.height,
        "base_model": version.base_model.name,
        "adapter": str(version),
        "strength": picture.strength,
    }
