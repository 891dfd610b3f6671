"""Pages on which people ask an owner for access to an adapter, and on which its owner answers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import DomainError
from accounts.models import User
from registry.forms import AccessRequestForm
from registry.models import Access, AccessRequest, Adapter, RequestState
from registry.permissions import AdapterPermission
from registry.selectors.access import access_adapter
from registry.services.access_requests import (
    access_ask,
    access_decide,
    access_grant,
    access_granted,
    access_rule_set,
    requests_of,
)


@login_required
@require_http_methods(["GET", "POST"])
def access_request(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """GET shows the form, or what became of the request; POST asks."""
    assert isinstance(request.user, User)
    adapter = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
    form = AccessRequestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        access_ask(actor=request.user, adapter=adapter, reason=form.cleaned_data["reason"])
        messages.success(request, "Your request was sent. The answer appears on this page.")
        return redirect("access_request", owner=owner, name=name)
    context = {
        "adapter": adapter,
        "form": form,
        "asked": AccessRequest.objects.filter(adapter=adapter, user=request.user).first(),
        "open": access_granted(actor=request.user, adapter=adapter),
    }
    return render(request, "registry/access_request.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def access_requests(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """GET lists who asked; POST answers one, lets somebody in by name, or changes the rule."""
    assert isinstance(request.user, User)
    adapter = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.EDIT)
    if request.method == "POST":
        try:
            messages.success(request, _changed(request, request.user, adapter))
        except DomainError as error:
            messages.error(request, f"{error.detail} {error.remedy}")
        return redirect("access_requests", owner=owner, name=name)
    rows = list(requests_of(actor=request.user, adapter=adapter))
    context = {"adapter": adapter, "rows": rows, "states": RequestState, "by_hand": adapter.access == Access.GRANTED}
    return render(request, "registry/access_requests.html", context)


def _changed(request: HttpRequest, actor: User, adapter: Adapter) -> str:
    """Does what the button says; the sentence that tells so."""
    step, answer = request.POST.get("step", ""), request.POST.get("answer", "")
    if step in Access.values:
        access_rule_set(actor=actor, adapter=adapter, rule=Access(step))
        return "Saved."
    if step == "grant":
        person = request.POST.get("user", "").replace("\0", "").strip().lower()
        user = User.objects.filter(username=person, is_active=True).first()
        access_grant(actor=actor, adapter=adapter, user=user)
        return f"{person} may download it now."
    number = request.POST.get("request", "")
    pk = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
    state = RequestState.ACCEPTED if step == "accept" else RequestState.REJECTED
    row = access_decide(actor=actor, adapter=adapter, request_id=pk, state=state, answer=answer)
    return f"{row.user.username}: {row.get_state_display().lower()}."
