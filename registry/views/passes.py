"""The page on which a token is given a standing use, so that programs pass the gate with it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import DomainError, NotFound
from accounts.models import ApiToken, User
from governance.policy import Use
from governance.selectors import standing_use
from registry.forms import PassForm
from registry.models import StandingPass
from registry.services.standing_pass import STATEMENT, pass_end, pass_give


@login_required
@require_http_methods(["GET", "POST"])
def token_pass(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what the token may; POST gives it a standing use, or takes it back with `step=end`."""
    assert isinstance(request.user, User)
    token = request.user.api_tokens.filter(pk=pk, revoked_at=None).first()
    if token is None:
        raise NotFound("There is no such token of yours.")
    if request.method == "POST" and request.POST.get("step") == "end":
        pass_end(actor=request.user, token=token)
        messages.success(request, f"“{token.name}” no longer passes the gate by itself.")
        return redirect("tokens")
    return _page(request, request.user, token)


def _page(request: HttpRequest, actor: User, token: ApiToken) -> HttpResponse:
    given = StandingPass.objects.select_related("statement", "organisation").filter(token=token).first()
    initial = {"use": given.use if given else standing_use(actor=actor), "organisation": given and given.organisation}
    sent = request.POST if request.method == "POST" else None
    form = PassForm(sent, actor=actor, initial=initial)
    if form.is_valid():
        data = form.cleaned_data
        try:
            pass_give(actor=actor, token=token, use=Use(data["use"]), organisation=data["organisation"])
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            messages.success(request, f"Programs that use “{token.name}” now pass the gate for this use.")
            return redirect("tokens")
    context = {"token": token, "given": given, "form": form, "statement": STATEMENT.format(behalf="…", use="…")}
    return render(request, "registry/token_pass.html", context, status=422 if form.errors else 200)
