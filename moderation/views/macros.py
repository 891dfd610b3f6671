"""The moderators' prepared texts."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import NotFound
from moderation.forms.cases import MacroForm
from moderation.models import Macro
from moderation.selectors.review import require_moderator
from moderation.services.macros import macro_delete, macro_save


@login_required
@require_http_methods(["GET", "POST"])
def macros(request: HttpRequest) -> HttpResponse:
    """The list, and a new one."""
    moderator = require_moderator(request.user)
    form = MacroForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        macro_save(macro=form.save(commit=False), actor=moderator)
        messages.success(request, "Saved.")
        return redirect("macros")
    return render(request, "moderation/cases/macros.html", {"macros": Macro.objects.all(), "form": form})


@login_required
@require_http_methods(["GET", "POST"])
def macro(request: HttpRequest, pk: int) -> HttpResponse:
    moderator = require_moderator(request.user)
    found = _found(pk)
    form = MacroForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        macro_save(macro=form.save(commit=False), actor=moderator)
        messages.success(request, "Saved.")
        return redirect("macros")
    return render(request, "moderation/cases/macro.html", {"macro": found, "form": form})


@login_required
@require_POST
def macro_remove(request: HttpRequest, pk: int) -> HttpResponse:
    moderator = require_moderator(request.user)
    macro_delete(macro=_found(pk), actor=moderator)
    messages.success(request, "Removed.")
    return redirect("macros")


def _found(pk: int) -> Macro:
    found = Macro.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such prepared text.")
    return found
