"""The training report of a version and its model card, for everybody who may read the version."""

import uuid

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from registry.selectors.access import access_version
from training.cards import card_of
from training.permissions import RunPermission
from training.selectors.reports import report_context, report_of
from training.selectors.runs import access_run
from training.services.withholding import is_held_back


@require_safe
def version_report(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    version = access_version(actor=request.user, owner=owner, name=name, number=number)
    return render(
        request, "training/runs/report.html", report_context(actor=request.user, result=report_of(version=version))
    )


@require_safe
def version_card(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    version = access_version(actor=request.user, owner=owner, name=name, number=number)
    card = card_of(report_of(version=version).run, version)
    return HttpResponse(card, content_type="text/markdown; charset=utf-8")


@require_safe
def run_file(request: HttpRequest, pk: uuid.UUID, file: uuid.UUID) -> HttpResponseBase:
    """A written adapter in whatever layout, for the run's own people; others pass the gate of the version."""
    run = access_run(actor=request.user, public_id=pk, permission=RunPermission.STEER)
    found = run.files.filter(pk=file).first()
    if found is None or run.state == "stopped" or is_held_back(run):
        raise NotFound("There is no such file that you may have.")
    return FileResponse(default_storage.open(found.storage_key, "rb"), as_attachment=True, filename=found.filename)
