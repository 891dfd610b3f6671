"""Pictures that people attach to a version: shown to who may see them, added and removed by its own people."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from registry.forms import PicturesForm
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version
from registry.selectors.visibility import samples_readable_by
from registry.services.samples import sample_remove, samples_add
from registry.views.images import picture_response


@require_safe
def sample(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    picture = samples_readable_by(request.user).filter(pk=pk).first()
    if picture is None:
        raise NotFound("There is no such picture that you may see.")
    return picture_response(picture.storage_key)


@login_required
@require_http_methods(["GET", "POST"])
def samples(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """The form by which its people attach pictures."""
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
    )
    form = PicturesForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = samples_add(version=found, actor=request.user, samples=form.samples())  # type: ignore[arg-type]
        except DomainError as error:
            form.add_error("pictures", f"{error.detail} {error.remedy}")
        else:
            messages.success(request, f"{len(added)} attached. Others see them when the checks have passed.")
            return redirect("version", owner=owner, name=name, number=number)
    status = 422 if form.errors else 200
    return render(request, "registry/samples.html", {"version": found, "form": form}, status=status)


@login_required
@require_POST
def sample_delete(request: HttpRequest, owner: str, name: str, number: int, pk: uuid.UUID) -> HttpResponse:
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
    )
    picture = samples_readable_by(request.user).filter(pk=pk, version=found).first()
    if picture is None:
        raise NotFound(f"There is no {owner}/{name} v{number} that you may see.")  # with such a picture
    sample_remove(sample=picture, actor=request.user)  # type: ignore[arg-type]
    messages.success(request, "The picture is removed.")
    return redirect("version", owner=owner, name=name, number=number)
