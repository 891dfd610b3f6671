"""“Try it”: the form, what is said while somebody types, the result as it comes, history, cancel and delete."""

import uuid
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import NotFound
from accounts.models import User
from governance.errors import GovernanceRefused
from inference.errors import GenerationQuota, GenerationRefused, PromptRefused
from inference.forms.generation import GenerationForm, base_of, settings_again
from inference.models import Generation
from inference.prompts import number
from inference.selectors.generation import (
    BADGES,
    access_generated,
    access_generation,
    generation_page,
    history_of,
    picture_file,
    thumbs_of,
    watched,
)
from inference.selectors.generation_check import adapters_to_pick, generation_check
from inference.services.galleries import picture_to_gallery
from inference.services.generation import generation_ask
from inference.services.generation_results import generation_cancel, generation_delete
from registry.models import BaseModel
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version_by_id
from registry.selectors.parents import version_at
from registry.views.images import picture_response

A_PAGE = 24
RECENT = 12


@login_required
@require_http_methods(["GET", "POST"])
def generate(request: HttpRequest) -> HttpResponse:
    """The page to ask for pictures, filled in from the address, an adapter, or an earlier result."""
    actor = cast(User, request.user)
    base = _base(request.POST or request.GET)
    if request.method != "POST":
        again = _initial(actor, request)
        base = base_of(again) or base
        return _page(request, GenerationForm(base=base, initial=again), base)
    form = GenerationForm(request.POST, base=base)
    context: dict[str, Any] = {}
    if form.is_valid():
        try:
            return redirect("generation", generation_ask(actor=actor, spec=form.spec()).pk)
        except GenerationRefused as refusal:
            form.refuse(refusal.data["errors"])
        except (PromptRefused, GenerationQuota) as refusal:
            form.add_error("prompt", f"{refusal.detail} {refusal.remedy}")
        except GovernanceRefused as refusal:
            context = {"decision": refusal.decision.to_json(), "record": refusal.record}
            form.add_error(None, "The rules of its parts do not allow this; the decision below says why.")
    return _page(request, form, base, status=422, **context)


def _base(given: Any) -> BaseModel:
    base = base_of(given)
    if base is None:
        raise NotFound("No base model's weights are on this registry's workers.", remedy="Ask the administrator.")
    return base


def _initial(actor: User, request: HttpRequest) -> dict[str, Any]:
    """What the form begins with: settings of an earlier result, an adapter's tag and words, or plain values."""
    given = request.GET
    again: dict[str, Any] = {}
    if (pk := _uuid(given.get("picture"))) is not None:
        again = settings_again(access_generated(actor=actor, pk=pk))
    elif (pk := _uuid(given.get("from"))) is not None:
        again = settings_again(access_generation(actor=actor, pk=pk))
    elif given.get("adapter"):
        again = _with_adapter(actor, given["adapter"])
    names = set(GenerationForm.base_fields)
    return again | {key: given[key] for key in given if key in names and given[key]}


def _with_adapter(actor: User, address: str) -> dict[str, Any]:
    version = version_at(actor=actor, address=address)
    latest = version.adapter.latest_id == version.pk
    tag = f"<lora:{version.adapter}{'' if latest else f'/v/{version.number}'}:{number(version.strength)}>"
    first = next(iter(version.preview_prompts), ", ".join(version.trigger_words[:1]))
    return {"prompt": f"{first} {tag}".strip(), "base_model": version.base_model.slug}


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def _page(request: HttpRequest, form: GenerationForm, base: BaseModel, **more: Any) -> HttpResponse:
    actor, status = cast(User, request.user), more.pop("status", 200)
    recent = history_of(actor)
    if "generation" in more:  # it stands beside them, and moves on by itself
        recent = recent.exclude(pk=more["generation"].pk)
    context = {"form": form, "base": base, "recent": [_row(one) for one in recent[:RECENT]], **_kept(), **more}
    return render(request, "inference/generation/page.html", context, status=status)


def _kept() -> dict[str, int]:
    return {"retention_days": settings.GENERATION_RETENTION.days}


def _row(generation: Generation) -> dict[str, Any]:
    return {"generation": generation, "badge": BADGES[generation.state], "thumbs": thumbs_of(generation)}  # type: ignore[index]


@login_required
@require_safe
def generation(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One result beside the form that made it; to HTMX the result alone, again and again until it is finished."""
    actor = cast(User, request.user)
    found = access_generation(actor=actor, pk=pk)
    watched(found)
    context = generation_page(actor=actor, generation=found)
    if request.headers.get("HX-Request"):
        return render(request, "inference/generation/_result.html", context)
    base = base_of({"base_model": found.base_model.slug}) or found.base_model
    return _page(request, GenerationForm(base=base, initial=settings_again(found)), base, **context)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """What is said below the prompt while somebody types."""
    base = _base(request.POST)
    form = GenerationForm(request.POST, base=base)
    checked = generation_check(actor=cast(User, request.user), spec=form.spec(), base=base) if form.is_valid() else None
    prompt_empty = not request.POST.get("prompt", "").strip()
    context = {"checked": checked, "form": form, "prompt_empty": prompt_empty}
    return render(request, "inference/generation/_check.html", context)


@login_required
@require_safe
def choices(request: HttpRequest) -> HttpResponse:
    """The settings of another base model, with its own values."""
    base = _base(request.GET)
    return render(request, "inference/generation/_settings.html", {"form": GenerationForm(base=base), "base": base})


@login_required
@require_safe
def pick(request: HttpRequest) -> HttpResponse:
    """Adapters to put into the prompt."""
    base, text = _base(request.GET), request.GET.get("adapters", "")
    found = adapters_to_pick(actor=request.user, base=base, text=text)
    return render(request, "inference/generation/_pick.html", {"found": found, "base": base, "text": text})


@login_required
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    page = Paginator(history_of(cast(User, request.user)), A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": [_row(one) for one in page], **_kept()}
    return render(request, "inference/generation/history.html", context)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = access_generation(actor=request.user, pk=pk)
    generation_cancel(generation=found)
    if request.headers.get("HX-Request"):
        found = access_generation(actor=request.user, pk=pk)
        context = generation_page(actor=cast(User, request.user), generation=found)
        return render(request, "inference/generation/_result.html", context)
    return redirect("generation", pk)


@login_required
@require_POST
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    generation_delete(generation=access_generation(actor=request.user, pk=pk))
    messages.success(request, "Prompt and pictures are deleted.")
    return redirect("generate")


@require_safe
def picture(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    found = access_generated(actor=request.user, pk=pk)
    response = picture_response(picture_file(found))
    if "download" in request.GET:
        response["Content-Disposition"] = f'attachment; filename="{found.pk}.png"'
    return response


@require_safe
def preview(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The picture as it looks by now; each step has another, so nobody keeps it."""
    found = access_generated(actor=request.user, pk=pk)
    try:
        response = picture_response(picture_file(found, preview=True))
    except FileNotFoundError:  # the drawing ended between the look at its row and at its file
        raise NotFound("There is no such picture that you may see.") from None
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def gallery(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Add a result to the gallery of an adapter that it was drawn with, by one of that adapter's people."""
    found = access_generated(actor=request.user, pk=pk)
    asked = request.POST.get("version", "")
    key = int(asked) if asked.isdecimal() and len(asked) < 18 else 0
    version = access_version_by_id(actor=request.user, pk=key, permission=AdapterPermission.CONTRIBUTE)
    picture_to_gallery(picture=found, version=version, actor=cast(User, request.user))
    messages.success(request, f"Added to {version}. Others see it when the checks have passed.")
    return redirect("generation", found.generation_id)
