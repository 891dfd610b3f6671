"""The pages of making: what can be made, the plan with its decision and terms, and the job."""

import uuid
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError
from accounts.models import User
from governance.errors import GovernanceRefused
from inference.forms.making import (
    CheckpointForm,
    CompareForm,
    ExtractForm,
    MergeForm,
    PublishForm,
    add_refusal,
    parts_initial,
)
from inference.making_options import METHODS
from inference.models import Making, MakingJob
from inference.selectors.making import (
    ShownPart,
    access_making,
    blocks_of,
    making_of,
    makings_of,
    parts_shown,
    suggestions,
)
from inference.services.making_checkpoints import checkpoint_token
from inference.services.making_jobs import RETRIABLE, making_cancel, making_retry
from inference.services.making_plans import MakingAnswer, making_ask, making_queue, making_start
from inference.services.making_results import draft_of, making_publish
from registry.errors import AcceptanceNeeded
from registry.selectors.access import access_version
from registry.services.versions import latest_statement

A_PAGE = 30
PLANS: dict[str, tuple[Any, str]] = {
    "merge": (MergeForm, "inference/making/merge.html"),
    "checkpoint": (CheckpointForm, "inference/making/checkpoint.html"),
    "extract": (ExtractForm, "inference/making/extract.html"),
}


@login_required
@require_safe
def making(request: HttpRequest) -> HttpResponse:
    page = Paginator(makings_of(actor=cast(User, request.user)), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "inference/making/index.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, kind: str) -> HttpResponse:
    """GET shows the form; POST `ask` the decision, the licence and the terms; POST `accept` queues the job."""
    actor = cast(User, request.user)
    form_class, template = PLANS[kind]
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form: Any = form_class(*sent, actor=actor, initial=parts_initial(request.GET))
    context: dict[str, Any] = {"form": form, "kind": kind, "suggestions": suggestions(actor)}
    context["what"] = request.POST.get("title") or request.POST.get("name") or ""
    if request.method != "POST" or not form.is_valid():
        return render(request, template, context, status=422 if form.errors else 200)
    try:
        wanted = form.plan()
        if request.POST.get("step") == "accept":
            accepted = request.POST.get("terms", "")
            return redirect("making_job", making_start(actor=actor, plan=wanted, accepted_terms=accepted).pk)
        context |= _asked(making_ask(actor=actor, plan=wanted))
    except AcceptanceNeeded:
        context |= _asked(making_ask(actor=actor, plan=wanted))
    except GovernanceRefused as refusal:
        context |= {"decision": refusal.decision.to_json(), "record": refusal.record}
    except DomainError as error:
        add_refusal(form, error)
    return render(request, template, context, status=_status(form, context))


def _status(form: forms.Form, context: dict[str, Any]) -> int:
    answer: MakingAnswer | None = context.get("answer")
    refused = context.get("decision") and not (answer and answer.may_start)
    return 422 if form.errors else 403 if refused else 200


def _asked(answer: MakingAnswer) -> dict[str, Any]:
    licensing = answer.licensing
    return {
        "decision": answer.decision.to_json(),
        "record": answer.record,
        "answer": answer,
        "licence_decision": licensing.decision.to_json() if licensing and answer.may_start else None,
    }


@login_required
@require_http_methods(["GET", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """Adapters in, a conflict report out."""
    actor = cast(User, request.user)
    sent = (request.POST,) if request.method == "POST" else ()
    form = CompareForm(*sent, actor=actor, initial=parts_initial(request.GET))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("making_job", making_queue(actor=actor, plan=form.plan()).pk)
        except DomainError as error:
            add_refusal(form, error)
    context = {"form": form, "kind": "compare", "suggestions": suggestions(actor)}
    return render(request, "inference/making/compare.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def job(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The job's page; the fragment while it is under way."""
    found = access_making(actor=request.user, pk=pk)
    template = "inference/making/_job.html" if request.headers.get("HX-Request") else "inference/making/job.html"
    return render(request, template, job_context(request, found))


def job_context(request: HttpRequest, found: MakingJob) -> dict[str, Any]:
    parts = parts_shown(job=found, actor=request.user)
    download = found.kind == Making.CHECKPOINT and found.is_kept
    return {
        "job": found,
        "parts": parts,
        "blocks": blocks_of(found.report),
        "worst": sorted(found.report.get("layers", ()), key=_relative, reverse=True)[:12],
        "method": METHODS.get(found.recipe.get("method", ""), ""),
        "pairs": [_named(pair, [part.name for part in parts], found.report) for pair in found.report.get("pairs", ())],
        "draft": draft_of(found),
        "mine": True,
        "may_retry": found.state in RETRIABLE,
        "download_url": reverse("made_checkpoint", args=[checkpoint_token(job=found)]) if download else "",
        "prompt": prompt_of(parts),
        **_further(parts),
    }


def _further(parts: list[ShownPart]) -> dict[str, str]:
    """Where a set goes from its report, at the weights that it proposes."""
    named = [(part.version, part.weight if part.proposed is None else part.proposed) for part in parts if part.version]
    query = urlencode([("with", f"{version.adapter}/v/{version.number}@{weight:g}") for version, weight in named])
    return {
        "try_url": f"{reverse('generate')}?{urlencode({'prompt': prompt_of(parts)})}",
        "merge_url": f"{reverse('making_merge')}?{query}",
    }


def _relative(layer: dict[str, Any]) -> float:
    return float(layer["error"] / layer["norm"]) if layer["norm"] else 0.0


def _named(pair: dict[str, Any], names: list[str], report: dict[str, Any]) -> dict[str, Any]:
    """A pair with the names of its adapters, and what covers what in pictures."""
    covers = [
        {**one, "mine": names[one["mine"]], "other": names[one["other"]]}
        for one in report.get("covers", ())
        if {one["mine"], one["other"]} == set(pair["adapters"])
    ]
    return {**pair, "names": [names[place] for place in pair["adapters"]], "covers": covers}


def prompt_of(parts: list[ShownPart]) -> str:
    """The adapters in prompt syntax, at their proposed weights."""
    words = [
        f"<lora:{part.version.adapter}:{part.weight if part.proposed is None else part.proposed:g}>"
        for part in parts
        if part.version is not None
    ]
    return " ".join(words)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    making_cancel(job=access_making(actor=request.user, pk=pk), actor=cast(User, request.user))
    return redirect("making_job", pk)


@login_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    making_retry(job=access_making(actor=request.user, pk=pk), actor=cast(User, request.user))
    return redirect("making_job", pk)


@login_required
@require_http_methods(["GET", "POST"])
def publish(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The draft, looked at and sent to publication by who answers for it."""
    found = access_making(actor=request.user, pk=pk)
    version = draft_of(found)
    if version is None:
        messages.error(request, "There is no draft of this job.")
        return redirect("making_job", pk)
    statement = latest_statement()
    form = PublishForm(request.POST or None, job=found, version=version, statement=statement)
    if request.method == "POST" and form.is_valid():
        try:
            actor = cast(User, request.user)
            sent = making_publish(job=found, actor=actor, declared=form.declared(), about=form.about())
        except DomainError as error:
            add_refusal(form, error)
        else:
            return redirect("version", sent.adapter.owner.slug, sent.adapter.name, sent.number)
    context = {"job": found, "version": version, "form": form, "statement": statement}
    return render(request, "inference/making/publish.html", context, status=422 if form.errors else 200)


@require_safe
def version_made(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """How a version was made, for whoever may read it; parts that they may not see have no name."""
    version = access_version(actor=request.user, owner=owner, name=name, number=number)
    found = making_of(version=version)
    context = job_context(request, found) | {"mine": False, "draft": None, "may_retry": False, "download_url": ""}
    return render(request, "inference/making/made.html", {**context, "version": version, "adapter": version.adapter})
