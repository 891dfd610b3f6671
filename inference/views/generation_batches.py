"""Batches: a file of requests sent at once, and how far they are."""

import uuid
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import DomainError
from accounts.models import User
from governance.errors import GovernanceRefused
from inference.batch_files import FileRefused, requests_in
from inference.errors import GenerationRefused
from inference.forms.generation import BatchForm
from inference.generation_options import specs_by_base
from inference.selectors.generation import access_batch, batch_page
from inference.services.generation import generations_ask

EXAMPLE_CSV = """prompt,seed,count
"a red circle <lora:ada/outlined:0.8>",1,2
a blue star on a yellow background,2,1"""
EXAMPLE_JSON = '[{"prompt": "a red circle", "seed": 1, "steps": 30, "width": 64, "height": 64}]'


@login_required
@require_http_methods(["GET", "POST"])
def batch_new(request: HttpRequest) -> HttpResponse:
    """All of the file is taken, or none: what is wrong is told by its line."""
    form = BatchForm(request.POST or None, request.FILES or None)
    context: dict[str, object] = {"form": form, "example_csv": EXAMPLE_CSV, "example_json": EXAMPLE_JSON}
    if request.method == "POST" and form.is_valid():
        try:
            return _taken(cast(User, request.user), form)
        except FileRefused as refusal:
            form.add_error("file", str(refusal))
            context["rows"] = refusal.rows
        except GenerationRefused as refusal:
            form.add_error("file", refusal.detail)
            context["rows"] = refusal.data.get("rows", {})
        except GovernanceRefused as refusal:
            context |= {"decision": refusal.decision.to_json(), "record": refusal.record}
        except DomainError as refusal:
            form.add_error("file", f"{refusal.detail} {refusal.remedy}")
    status = 422 if request.method == "POST" else 200
    return render(request, "inference/generation/batch_new.html", context, status=status)


def _taken(actor: User, form: BatchForm) -> HttpResponse:
    data = form.cleaned_data
    defaults = specs_by_base(purpose=data["purpose"])
    specs = requests_in(data["file"].read(), defaults=defaults, base_model=data["base_model"].slug)
    batch = generations_ask(actor=actor, specs=specs, name=data["file"].name)
    return redirect("generation_batch", batch.pk)


@login_required
@require_safe
def batch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = access_batch(actor=request.user, pk=pk)
    fragment = bool(request.headers.get("HX-Request"))
    template = "inference/generation/_batch.html" if fragment else "inference/generation/batch.html"
    return render(request, template, batch_page(found))
