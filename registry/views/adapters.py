"""The pages of one adapter: what it is, its versions, editing, withdrawing, publishing."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.forms import EditForm, RatingForm, ReasonForm
from registry.permissions import AdapterPermission
from registry.selectors.access import access_adapter, access_version
from registry.selectors.pages import adapter_page, version_page
from registry.selectors.visibility import versions_readable_by
from registry.services.adapters import adapter_update
from registry.services.publication import version_recheck
from registry.services.ratings import adapter_rate
from registry.services.review import version_release
from registry.services.versions import version_withdraw
from registry.states import VersionState


@require_safe
def adapter(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
    return render(request, "registry/adapter.html", adapter_page(actor=request.user, adapter=found))


@require_safe
def version(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    found = access_version(actor=request.user, owner=owner, name=name, number=number)
    return render(request, "registry/adapter.html", version_page(actor=request.user, version=found))


@require_safe
def revision(request: HttpRequest, owner: str, name: str, revision: str, path: str = "") -> HttpResponse:
    """Where the Hub's clients send people behind an upload: to the version of that revision, else to the adapter."""
    found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
    own = versions_readable_by(request.user).filter(adapter=found, revision__sha=revision)
    number = own.order_by("-number").values_list("number", flat=True).first()
    place = (found.owner.slug, found.name)
    return redirect("adapter", *place) if number is None else redirect("version", *place, number)


@require_safe
def version_status(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """The fragment that the page polls while a file is being inspected."""
    found = access_version(actor=request.user, owner=owner, name=name, number=number)
    if found.state != "scanning" and request.headers.get("HX-Request"):
        response = HttpResponse()
        response["HX-Refresh"] = "true"
        return response
    return render(request, "registry/_status.html", {"version": found})


@login_required
@require_http_methods(["GET", "POST"])
def adapter_edit(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.EDIT)
    initial = {
        "title": found.title,
        "description": found.description,
        "tags": ", ".join(found.tags.values_list("name", flat=True)),
        "visibility": found.visibility,
        "content_level": found.content_level,
        "discussions_on": found.discussions_on,
    }
    form = EditForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        adapter_update(
            actor=request.user,  # type: ignore[arg-type]
            adapter=found,
            **form.cleaned_data,
        )
        messages.success(request, "Saved.")
        return redirect("adapter", owner=owner, name=name)
    return render(request, "registry/edit.html", {"adapter": found, "form": form})


@login_required
@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.PUBLISH
    )
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        version_withdraw(version=found, actor=request.user, reason=form.cleaned_data["reason"])  # type: ignore[arg-type]
        messages.success(request, f"{found} is withdrawn.")
        return _to_version(owner, name, number)
    return render(request, "registry/withdraw.html", {"version": found, "form": form})


@login_required
@require_POST
def release(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """A maintainer lets out what a member uploaded."""
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.PUBLISH
    )
    released = version_release(version=found, actor=request.user)  # type: ignore[arg-type]
    if released.state == VersionState.PUBLISHED:
        messages.success(request, f"{found} is published.")
    else:
        messages.warning(request, f"{found} is not published. {released.state_detail.get('why', '')}")
    return _to_version(owner, name, number)


@login_required
@require_POST
def recheck(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """Ask the policy engine again, after facts were stated that a version waited for."""
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
    )
    checked = version_recheck(version=found, actor=request.user)  # type: ignore[arg-type]
    if checked.state == VersionState.PUBLISHED:
        messages.success(request, f"{checked} is published.")
    else:
        messages.warning(request, f"{checked} was not published: see below what it waits for.")
    return _to_version(owner, name, number)


@login_required
@require_POST
def rate(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
    form = RatingForm(request.POST)
    if form.is_valid():
        stars = int(form.cleaned_data["stars"])
        adapter_rate(actor=request.user, adapter=found, stars=stars)  # type: ignore[arg-type]
        messages.success(request, "Thank you. Your rating counts from now on.")
    else:
        messages.error(request, "Choose one to five stars.")
    return redirect("adapter", owner=owner, name=name)


def _to_version(owner: str, name: str, number: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("version", args=[owner, name, number]))
