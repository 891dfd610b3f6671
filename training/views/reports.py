"""The training report of a version and its model card, for everybody who may read the version."""

import uuid

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.selectors.access import access_version
from training.cards import card_of
from training.selectors.reports import report_context, report_of
from training.selectors.runs import access_run_file


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
    found = access_run_file(actor=request.user, public_id=pk, file=file)
    return FileResponse(default_storage.open(found.storage_key, "rb"), as_attachment=True, filename=found.filename)
