"""The list of a version's checks, for its own people and for moderators."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from moderation.forms.screening import AgainForm
from moderation.selectors.screening import checks_shown, screening_unfinished
from moderation.services.queueing import screening_again
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version, adapter_permissions
from registry.services.publication import PERSON_UNDECLARED, fictional_state
from registry.states import VersionState


@login_required
@require_safe
def checks(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """The fragment that the adapter's page asks for, and asks for again while checks run."""
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.READ_UNPUBLISHED
    )
    moderator = isinstance(request.user, User) and request.user.is_moderator
    context = {
        "version": found,
        "checks": checks_shown(version=found, moderator=moderator),
        "unfinished": screening_unfinished(found),
        "may_repeat": _may_repeat(request, found),
        "form": AgainForm() if any(f["code"] == PERSON_UNDECLARED for f in found.findings) else None,
    }
    return render(request, "moderation/_checks.html", context)


def _may_repeat(request: HttpRequest, version: Version) -> bool:
    """Whether its people can have the checks repeated: they hold the version, and something can be changed about it."""
    held = version.state == VersionState.IN_REVIEW and bool(version.findings)
    return held and AdapterPermission.CONTRIBUTE in adapter_permissions(request.user, version.adapter)


@login_required
@require_POST
def again(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """Repeat the checks after what they found was changed, with a statement where one is given."""
    found = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
    )
    form = AgainForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("version", owner=owner, name=name, number=number)
    assert isinstance(request.user, User)
    if statement := form.cleaned_data["statement"]:
        fictional_state(version=found, actor=request.user, statement=statement)
    screening_again(version=found, actor=request.user)
    messages.success(request, "The checks run again.")
    return redirect("version", owner=owner, name=name, number=number)
