"""Captions in bulk: a rule shown before it is applied, captions by a model, and undoing either."""

import uuid
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import DomainError, NotFound
from accounts.models import User
from training.forms.datasets import CaptionerForm, EditForm
from training.models import Dataset, DatasetEdit
from training.permissions import DatasetPermission
from training.selectors.datasets import access_dataset
from training.services.captioning import captioning_queue
from training.services.captions import Preview, edit_apply, edit_preview, edit_undo
from training.views.datasets import dataset_context

P = DatasetPermission
EDITS_SHOWN = 20


@login_required
@require_http_methods(["GET", "POST"])
def dataset_captions(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The form; sent, it shows what would change, and sent with the preview's digest it changes it."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    form = EditForm(request.POST or None)
    preview = None
    if request.method == "POST" and form.is_valid():
        try:
            if shown := request.POST.get("shown"):
                edit = edit_apply(dataset=found, actor=cast(User, request.user), rule=form.rule(found), shown=shown)
                messages.success(request, f"{edit.count} captions are changed. You can undo it below.")
                return redirect("dataset_captions", owner=owner, name=name)
            preview = edit_preview(dataset=found, rule=form.rule(found))
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
    return _page(request, found, form, preview)


def _page(request: HttpRequest, found: Dataset, form: EditForm, preview: Preview | None) -> HttpResponse:
    context = dataset_context(
        request,
        found,
        form=form,
        preview=preview,
        captioner_form=CaptionerForm(),
        edits=found.edits.select_related("made_by")[:EDITS_SHOWN],
    )
    return render(request, "training/datasets/captions.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def dataset_edit_undo(request: HttpRequest, owner: str, name: str, pk: uuid.UUID) -> HttpResponse:
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    edit = DatasetEdit.objects.filter(dataset=found, public_id=pk).first()
    if edit is None:
        raise NotFound("There is no such change of captions.")
    count = edit_undo(edit=edit, actor=cast(User, request.user))
    messages.success(request, f"{count} of {edit.count} captions are as they were; what was changed since is left.")
    return redirect("dataset_captions", owner=owner, name=name)


@login_required
@require_POST
def dataset_captioning(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Have a captioner write captions."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    form = CaptionerForm(request.POST)
    if form.is_valid():
        captioning_queue(dataset=found, actor=cast(User, request.user), **form.cleaned_data)
        messages.success(request, "The captioner is asked. What it writes can be undone as a whole.")
    else:
        messages.error(request, "Choose a captioner that is offered here.")
    return redirect("dataset_captions", owner=owner, name=name)
