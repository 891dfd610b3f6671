"""Drawing what people asked for: leased pictures through the serving engine, with progress, previews and marks.

Imported by workers only: it loads torch.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from inference.engine import BaseSpec, EngineError, make_local_certificate, mark_png, quiet
from inference.engine.serving import (
    AdapterUse,
    Failure,
    FailureCode,
    Pattern,
    Progress,
    Request,
    Result,
    Server,
    open_server,
)
from inference.generation_states import PictureState
from inference.models import Generation, GenerationPicture
from inference.picture_facts import facts_of
from inference.services.generation_leasing import (
    Lease,
    lease_give_back,
    lease_renew,
    obstacle_now,
    picture_end,
    pictures_take,
    progress_report,
)
from inference.services.generation_results import picture_store, preview_store
from registry.leases import lease_kept
from registry.models import BaseModel, Version
from registry.pictures import blurhash_of
from registry.storage import local_copy

SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_BETWEEN_PREVIEWS = 0.8
WATCHED = 15.0  # seconds for which somebody who looked counts as looking
PREVIEW_SIDE = 192  # pixels of an intermediate picture's longer side
PREVIEW_UNTIL = 0.75  # of the steps: what nobody has checked is never shown finished


class _Loaded:
    """The base model that this process has in memory; one at a time, because each fills a good part of a GPU."""

    slug: str | None = None
    server: Server | None = None

    @classmethod
    def of(cls, base: BaseModel) -> Server:
        if cls.slug != base.slug or cls.server is None:
            cls.drop()
            quiet()
            spec = BaseSpec(base.family, settings.BASE_MODEL_LOCATIONS[base.slug], device=settings.PREVIEW_DEVICE)
            pattern = Pattern(settings.GENERATION_PATTERNS.get(base.slug, Pattern.DYNAMIC.value))
            cls.server = open_server(
                spec, pattern, memory_budget=settings.GENERATION_MEMORY, slots=settings.GENERATION_SLOTS
            )
            cls.slug = base.slug
        return cls.server

    @classmethod
    def drop(cls) -> None:
        server, cls.server, cls.slug = cls.server, None, None
        if server is not None:
            server.close()


def draw_next(*, worker: str) -> bool:
    """Draw the pictures whose turn it is; False where nobody waits. Safe to call at any time, by any number."""
    lease = pictures_take(worker=worker, loaded=_Loaded.slug)
    if lease is None:
        return False
    try:
        with lease_kept(renew=partial(lease_renew, token=lease.token), lifetime=settings.JOB_LEASE):
            _draw(lease)
    except EngineError as error:  # the base model cannot be had: it stands against each of them
        problem = {"what": error.what, "why": error.why, "remedy": error.remedy}
        _fail_all(lease, problem)
    except (SoftTimeLimitExceeded, MemoryError, torch.OutOfMemoryError) as error:
        _Loaded.drop()  # it may have hit while weights were put back
        late = isinstance(error, SoftTimeLimitExceeded)
        for picture in lease.pictures:
            problem = too_long(picture) if late else out_of_memory(picture)
            picture_end(token=lease.token, pk=picture.pk, state=PictureState.FAILED, problem=problem)
    except Exception:
        _Loaded.drop()
        lease_give_back(token=lease.token)
        raise
    return True


def _fail_all(lease: Lease, problem: Mapping[str, Any]) -> None:
    for picture in lease.pictures:
        picture_end(token=lease.token, pk=picture.pk, state=PictureState.FAILED, problem=dict(problem))


def _draw(lease: Lease) -> None:
    pictures = {str(picture.pk): picture for picture in lease.pictures if _stands(lease, picture)}
    if not pictures:
        return
    base = next(iter(pictures.values())).generation.base_model
    with ExitStack() as files:
        requests = [_request(picture, files) for picture in pictures.values()]
        watch = _Watch(lease, pictures)
        server = _Loaded.of(base)
        started = time.monotonic()
        answers = server.generate(requests, on_step=watch.on_step, cancelled=watch.is_cancelled)
        seconds = (time.monotonic() - started) / max(len(pictures), 1)
    for answer in answers:
        if isinstance(answer, Result):
            _keep(lease, pictures[answer.id], answer, seconds)
        else:
            _end(lease, pictures[answer.id], answer)


def _stands(lease: Lease, picture: GenerationPicture) -> bool:
    """Whether nothing came to stand against its adapters since it was asked for; otherwise it ends with why."""
    problem = obstacle_now(_versions(picture.generation))
    if problem:
        picture_end(token=lease.token, pk=picture.pk, state=PictureState.FAILED, problem=problem)
    return not problem


def _versions(generation: Generation) -> list[Version]:
    return [one.version for one in generation.adapters.all()]


def _request(picture: GenerationPicture, files: ExitStack) -> Request:
    versions = _versions(picture.generation)
    uses = []
    for place, text_weight, weight in picture.weights:
        file = versions[place].files.select_related("blob").get(is_primary=True)
        path = files.enter_context(local_copy(file.blob.storage_key))
        uses.append(AdapterUse(file.sha256, Path(path), weight, text_weight, token=_token(versions[place])))
    return Request(
        id=str(picture.pk),
        prompt=picture.text,
        negative=picture.negative,
        seed=picture.seed,
        steps=picture.steps,
        guidance=picture.guidance,
        sampler=picture.sampler,
        width=picture.width,
        height=picture.height,
        adapters=tuple(uses),
    )


def _token(version: Version) -> str | None:
    """The word of an embedding whose file names none: its first trigger word."""
    return version.trigger_words[0] if "inversion" in version.kind.lower() and version.trigger_words else None


class _Watch:
    """Tells the rows how far the run is, makes intermediate pictures while somebody looks, and hears of cancelling."""

    def __init__(self, lease: Lease, pictures: Mapping[str, GenerationPicture]) -> None:
        self.lease, self.pictures = lease, pictures
        self.stopped: set[str] = set()
        self.reported = self.previewed = 0.0

    def is_cancelled(self, request_id: str) -> bool:
        return request_id in self.stopped

    def on_step(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.reported < SECONDS_BETWEEN_REPORTS and 1 < progress.step < progress.steps:
            return
        self.reported = now
        self.stopped |= progress_report(
            token=self.lease.token, pictures=progress.ids, step=progress.step, steps=progress.steps
        )
        early = progress.step <= PREVIEW_UNTIL * progress.steps
        if early and now - self.previewed >= SECONDS_BETWEEN_PREVIEWS and (seen := self._watched(progress.ids)):
            self.previewed = now
            self._show(progress, seen)

    def _watched(self, ids: Sequence[str]) -> list[str]:
        """Those whose page is open. Where words in the prompt ask for care, nothing is shown before the checks."""
        since = timezone.now() - timedelta(seconds=WATCHED)
        rows = GenerationPicture.objects.filter(pk__in=ids, generation__watched_at__gt=since)
        calm = rows.filter(generation__watchful=False)
        return [str(pk) for pk in calm.values_list("pk", flat=True)]

    def _show(self, progress: Progress, seen: Sequence[str]) -> None:
        for pk, image in progress.previews().items():
            if pk in seen:
                small = image.convert("RGB")
                small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
                content = mark_png(small, {"base_model": self.pictures[pk].generation.base_model.name})
                preview_store(token=self.lease.token, pk=pk, step=progress.step, content=content)


def _keep(lease: Lease, picture: GenerationPicture, result: Result, seconds: float) -> None:
    certificate = make_local_certificate(Path(settings.KEYS_DIR) / "c2pa")
    marked = mark_png(result.image, facts_of(picture), certificate=certificate)
    skipped = [
        {"adapter": key, "module": module, "why": why}
        for key, report in result.reports.items()
        for module, why in report.skipped[:20]
    ]
    facts = {
        "marks": dict(marked.marks),
        "blurhash": blurhash_of(result.image),
        "seconds": seconds,
        "step": picture.steps,
        "steps_total": picture.steps,
        "width": result.image.width,
        "height": result.image.height,
        "notes": skipped,
    }
    if not picture_store(token=lease.token, picture=picture, content=bytes(marked), facts=facts):
        picture_end(token=lease.token, pk=picture.pk, state=PictureState.CANCELLED)


def _end(lease: Lease, picture: GenerationPicture, failure: Failure) -> None:
    if failure.code is FailureCode.CANCELLED:
        picture_end(token=lease.token, pk=picture.pk, state=PictureState.CANCELLED)
        return
    problem: dict[str, Any] = {"what": failure.what, "why": failure.why, "remedy": failure.remedy}
    if failure.code is FailureCode.MEMORY:
        problem = out_of_memory(picture)
    picture_end(token=lease.token, pk=picture.pk, state=PictureState.FAILED, problem=problem)


def out_of_memory(picture: GenerationPicture) -> dict[str, Any]:
    """What happened, why, and the largest size of the same shape with half as many pixels as a proposal."""
    width, height = (max(64, round(side * 0.7 / 64) * 64) for side in (picture.width, picture.height))
    smaller = width * height < picture.width * picture.height
    remedy = f"Try {width} × {height}." if smaller else "Use fewer adapters, or ask the administrator."
    return {
        "what": "The worker ran out of memory.",
        "why": f"{picture.width} × {picture.height} with {len(picture.weights)} adapters needs more than it has.",
        "remedy": remedy,
        **({"proposal": {"width": width, "height": height}} if smaller else {}),
    }


def too_long(picture: GenerationPicture) -> dict[str, Any]:
    steps = max(1, picture.steps // 2)
    return {
        "what": "The drawing took too long and was stopped.",
        "why": f"{picture.steps} steps at {picture.width} × {picture.height} are more than this worker does in time.",
        "remedy": f"Try {steps} steps.",
        "proposal": {"steps": steps},
    }
