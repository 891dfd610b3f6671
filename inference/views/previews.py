"""The previews of a version: their strip, their live progress, cancel and retry."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import NotFound
from accounts.models import User
from inference.models import PreviewJob
from inference.selectors.preview_facts import preview_report
from inference.services.previews import preview_cancel, preview_retry, previews_awaited, weights_missing
from inference.states import JobState
from moderation.selectors.screening import previews_in_check
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version, access_version_by_id, adapter_permissions
from registry.selectors.visibility import Actor, images_readable_by, versions_readable_by


@require_safe
def previews(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    version = access_version(actor=request.user, owner=owner, name=name, number=number)
    return _fragment(request, version)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _job_to_manage(request, pk)
    preview_cancel(job=job, actor=request.user)  # type: ignore[arg-type]
    return _fragment(request, job.version)


@login_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _job_to_manage(request, pk)
    preview_retry(job=job, actor=request.user)  # type: ignore[arg-type]
    return _fragment(request, job.version)


def _job_to_manage(request: HttpRequest, pk: uuid.UUID) -> PreviewJob:
    job = PreviewJob.objects.filter(pk=pk, version__in=versions_readable_by(request.user)).first()
    if job is None:
        raise NotFound("There is no such job that you may see.")
    version = access_version_by_id(actor=request.user, pk=job.version_id, permission=AdapterPermission.CONTRIBUTE)
    job.version = version
    return job


def _fragment(request: HttpRequest, version: Version) -> HttpResponse:
    job = version.preview_jobs.first()
    rows: dict[int, list[object]] = {}
    for image in images_readable_by(request.user).filter(version=version):
        rows.setdefault(image.row, []).append(image)
    granted = adapter_permissions(request.user, version.adapter)
    may_manage = AdapterPermission.CONTRIBUTE in granted
    context = {
        "version": version,
        "job": job,
        "awaited": job is None and previews_awaited(version),
        "in_check": job is not None and job.state == JobState.DONE and previews_in_check(version),
        "rows": list(rows.values()),
        "may_manage": may_manage,
        "report": preview_report(actor=request.user, version=version) if rows else None,
        **_what_can_be_done(request.user, job, version, may_manage=may_manage),
    }
    return render(request, "inference/_previews.html", context)


def _what_can_be_done(actor: Actor, job: PreviewJob | None, version: Version, *, may_manage: bool) -> dict[str, bool]:
    """A retry does not bring the weights of the base model; that is for who runs the workers, and told to them."""
    lacking = weights_missing(version)
    lacks = bool(job and lacking and job.problem == lacking)
    runs_the_house = isinstance(actor, User) and (actor.is_staff or actor.is_moderator)
    return {"may_retry": may_manage and not lacks, "sees_remedy": runs_the_house if lacks else may_manage}
