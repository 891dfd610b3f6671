"""The pages of training runs: the list, a new one, one run with its parts, comparing, and what can be done to it."""

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError
from accounts.models import User
from registry.services.versions import latest_statement
from registry.views.images import picture_response
from training.errors import RecipeRefused
from training.forms.previews import plan_preview
from training.forms.recipes import PREFIX, grouped
from training.forms.runs import PublishForm, ReviewForm, RunForm, StartForm
from training.models import TrainingRun
from training.permissions import RunPermission
from training.selectors.run_pages import (
    LOG_LINES,
    checkpoints_of,
    curves_of,
    recipe_rows,
    run_badge,
    run_page,
    samples_grid,
)
from training.selectors.runs import access_run, access_sample, runs_for_review, runs_listed
from training.services.results import checkpoint_choose, result_publish
from training.services.runs import (
    run_cancel,
    run_pause,
    run_prepare,
    run_recheck,
    run_resume,
    run_retry,
    run_review,
    run_start,
)
from training.streaming import stream_response

P = RunPermission
A_PAGE = 30
COMPARED = 4  # checkpoints side by side
ACTIONS: dict[str, Callable[..., TrainingRun]] = {
    "start": run_start,
    "recheck": run_recheck,
    "pause": run_pause,
    "resume": run_resume,
    "cancel": run_cancel,
    "retry": run_retry,
}


@login_required
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    actor = cast(User, request.user)
    page = Paginator(runs_listed(actor), A_PAGE).get_page(request.GET.get("page"))
    rows = [{"run": run, "badge": run_badge(run.state)} for run in page]
    return render(request, "training/runs/list.html", {"page": page, "rows": rows, "review": runs_for_review(actor)})


@login_required
@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest) -> HttpResponse:
    """Dataset, base and purpose propose a recipe; every value of it can be changed before the run is prepared."""
    actor = cast(User, request.user)
    form = _form(request, actor)
    if isinstance(form, RunForm) and request.method == "POST" and form.is_valid():
        try:
            run = run_prepare(actor=actor, plan=form.plan())
        except DomainError as error:
            _refused(form, error)
        else:
            return redirect("run", run.public_id)
    context = {"form": form, "groups": grouped(form), "is_whole": isinstance(form, RunForm), **plan_preview(form)}
    return render(request, "training/runs/new.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def run_check(request: HttpRequest) -> HttpResponse:
    """What is wrong with the recipe as it stands in the form, and what it would cost: asked while a person types."""
    form = _form(request, cast(User, request.user))
    return render(request, "training/runs/_plan.html", {"form": form, **plan_preview(form)})


def _form(request: HttpRequest, actor: User) -> StartForm | RunForm:
    """The whole form where dataset, base and purpose are known, else the one that asks for them."""
    given = request.POST or request.GET
    asked = StartForm(given if "dataset" in given else None, actor=actor, initial=request.GET.dict())
    if not asked.is_bound or not asked.is_valid():
        return asked
    return RunForm(request.POST or None, actor=actor, start=asked.start())


def _refused(form: RunForm, error: DomainError) -> None:
    errors: dict[str, list[str]] = error.data.get("errors", {}) if isinstance(error, RecipeRefused) else {}
    placed = False
    for name, texts in errors.items():
        field = next((one for one in (name, PREFIX + name) if one in form.fields), None)
        for text in texts:
            form.add_error(field, text)
            placed = placed or field is not None
    if not placed:
        form.add_error(None, f"{error.detail} {error.remedy}")


@login_required
@require_safe
def run(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = access_run(actor=request.user, public_id=pk, permission=P.READ)
    context = {**run_page(actor=request.user, run=found), **_parts(found, *PARTS), "recipe": recipe_rows(found)}
    context["review_form"] = ReviewForm()
    return render(request, "training/runs/run.html", context)


def _log(found: TrainingRun) -> list[Any]:
    return list(found.events.order_by("-pk")[:LOG_LINES])


def _results(found: TrainingRun) -> list[Any]:
    return list(found.results.select_related("version__adapter__owner", "file").order_by("-pk"))


PARTS: dict[str, tuple[str, Callable[[TrainingRun], Any]]] = {
    "status": ("results", _results),
    "curves": ("curves", curves_of),
    "samples": ("grid", samples_grid),
    "checkpoints": ("checkpoints", checkpoints_of),
    "log": ("log", _log),
}


def _parts(found: TrainingRun, *names: str) -> dict[str, Any]:
    return {PARTS[name][0]: PARTS[name][1](found) for name in names}


@login_required
@require_safe
def run_part(request: HttpRequest, pk: uuid.UUID, part: str) -> HttpResponse:
    """One part of the page, fetched again when there is news of it."""
    if part not in PARTS:
        raise Http404
    found = access_run(actor=request.user, public_id=pk, permission=P.READ)
    context = {**run_page(actor=request.user, run=found), **_parts(found, part)}
    return render(request, f"training/runs/_{part}.html", context)


@login_required
@require_safe
def run_events(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    found = access_run(actor=request.user, public_id=pk, permission=P.READ)
    return stream_response(found, request.headers.get("Last-Event-ID") or request.GET.get("after", ""))


@login_required
@require_POST
def run_act(request: HttpRequest, pk: uuid.UUID, action: str) -> HttpResponse:
    if action not in ACTIONS:
        raise Http404
    found = access_run(actor=request.user, public_id=pk, permission=P.STEER)
    ACTIONS[action](run=found, actor=cast(User, request.user))
    return redirect("run", pk)


@login_required
@require_POST
def run_decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A moderator decides what the policy engine left to a person."""
    found = access_run(actor=request.user, public_id=pk, permission=P.REVIEW)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        context = {**run_page(actor=request.user, run=found), **_parts(found, *PARTS), "review_form": form}
        return render(request, "training/runs/run.html", context | {"recipe": recipe_rows(found)}, status=422)
    data = form.cleaned_data
    run_review(
        run=found,
        actor=cast(User, request.user),
        approve=data["verdict"] == "allow",
        public_reasoning=data["public_reasoning"],
        private_notes=data["private_notes"],
    )
    messages.success(request, "Decided. Its people can go on from here.")
    return redirect("training")


@login_required
@require_safe
def run_compare(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Checkpoints side by side: the samples that are nearest to each, and its losses."""
    found = access_run(actor=request.user, public_id=pk, permission=P.READ)
    rows = checkpoints_of(found)
    asked = {int(step) for step in request.GET.getlist("step")[:COMPARED] if step.isdecimal() and len(step) < 10}
    chosen = [row for row in rows if row["checkpoint"].step in asked] or rows[-2:]
    steps = [row["checkpoint"].step for row in chosen]
    context = {**run_page(actor=request.user, run=found), "columns": chosen, "grid": samples_grid(found, only=steps)}
    return render(request, "training/runs/compare.html", {**context, "rows": rows})


@login_required
@require_POST
def run_choose(request: HttpRequest, pk: uuid.UUID, step: int) -> HttpResponse:
    found = access_run(actor=request.user, public_id=pk, permission=P.STEER)
    checkpoint_choose(run=found, actor=cast(User, request.user), step=step)
    messages.success(request, f"The checkpoint of step {step} becomes the draft; that may take a moment.")
    return redirect("run", pk)


@login_required
@require_http_methods(["GET", "POST"])
def run_publish(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The draft, looked at and sent to publication by who answers for it."""
    found = access_run(actor=request.user, public_id=pk, permission=P.PUBLISH)
    result = found.results.filter(version__state="draft").select_related("version__adapter__owner").first()
    if result is None:
        messages.error(request, "There is no draft of this run.")
        return redirect("run", pk)
    statement, version = latest_statement(), result.version
    form = PublishForm(request.POST or None, run=found, version=version, statement=statement)
    if request.method == "POST" and form.is_valid():
        try:
            actor = cast(User, request.user)
            result_publish(run=found, version=version, actor=actor, declared=form.declared(), about=form.about())
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            return redirect("version", version.adapter.owner.slug, version.adapter.name, version.number)
    grid = samples_grid(found, only=[result.step])
    context = {"run": found, "result": result, "form": form, "statement": statement, "grid": grid}
    return render(request, "training/runs/publish.html", context, status=422 if form.errors else 200)


@require_safe
def run_sample(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    return picture_response(access_sample(actor=request.user, pk=pk).storage_key)
