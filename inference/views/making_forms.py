"""Other forms of a downloaded file, on the page of its receipt; and the bytes of what was made."""

import uuid
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import DomainError
from accounts.models import User
from inference.forms.making import FormForm, add_refusal
from inference.services.making_checkpoints import checkpoint_redeem
from inference.services.making_forms import (
    Delivered,
    access_receipt_whole,
    form_redeem,
    form_request,
    form_token,
    forms_of,
    words_of,
)
from registry.delivery import deliver
from registry.models import Blob, Receipt
from registry.services.delivery import require_available, require_still_allowed


@login_required
@require_http_methods(["GET", "POST"])
def receipt_forms(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The forms that are there and on their way, and the wish for another."""
    actor = cast(User, request.user)
    receipt = access_receipt_whole(actor=actor, pk=pk)
    require_available(receipt.file.version)
    require_still_allowed(receipt)
    form = FormForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            form_request(receipt=receipt, actor=actor, options=form.options())
        except DomainError as error:
            add_refusal(form, error)
        else:
            return redirect("receipt_forms", pk)
    rows = _rows(receipt)
    pending = any(row["pending"] for row in rows)
    context = {"receipt": receipt, "version": receipt.file.version, "form": form, "rows": rows, "pending": pending}
    fragment = request.method == "GET" and request.headers.get("HX-Request")
    template = "inference/making/_forms.html" if fragment else "inference/making/forms.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _rows(receipt: Receipt) -> list[dict[str, object]]:
    return [
        {
            "form": form,
            "job": form.job,
            "words": words_of(form.options),
            "pending": form.job.is_unfinished,
            "url": reverse("made_form", args=[form_token(form=form, receipt=receipt)]) if form.job.is_kept else "",
        }
        for form in forms_of(receipt=receipt)
    ]


@require_safe
def made_form(request: HttpRequest, token: str) -> HttpResponseBase:
    """The bytes behind a short-lived link."""
    return _delivered(request, form_redeem(token=token))


@require_safe
def made_checkpoint(request: HttpRequest, token: str) -> HttpResponseBase:
    """The same for a merged base model."""
    return _delivered(request, checkpoint_redeem(token=token))


def _delivered(request: HttpRequest, made: Delivered) -> HttpResponseBase:
    blob = Blob(storage_key=made.storage_key, sha256=made.sha256, size=made.size)
    return deliver(request, blob=blob, filename=made.filename)
