"""The review of one version, and what was decided."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import DomainError
from accounts.models import User
from moderation.forms.review import ReviewForm
from moderation.models import Case
from moderation.selectors.cases import open_case_of
from moderation.selectors.review import decided_cases, require_moderator
from moderation.selectors.verdicts import Verdict
from moderation.services.decisions import Deed, case_decide
from registry.forms import COMMERCIAL_CHOICES
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version_by_id
from registry.selectors.pages import version_page
from registry.selectors.paging import page_by_key
from registry.services.review import check_reviewable, version_review
from registry.views.mine import keys_of, links_of


@login_required
@require_safe
def decided(request: HttpRequest) -> HttpResponse:
    """What moderators decided, newest first."""
    require_moderator(request.user)
    page = page_by_key(decided_cases(), by="created_at", **keys_of(request))
    return render(request, "moderation/decided.html", {"records": page.rows, **links_of(request, page)})


@login_required
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, pk: int) -> HttpResponse:
    moderator = require_moderator(request.user)
    version = access_version_by_id(actor=moderator, pk=pk, permission=AdapterPermission.REVIEW)
    case = open_case_of(version)
    if case is not None and request.method == "GET":
        return redirect(case)
    obstacle = _obstacle(version, moderator)
    form = ReviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _decide(version, case, moderator, form.cleaned_data)
        messages.success(request, f"The decision on {version} is on record.")
        return redirect("review_queue")
    context = version_page(actor=moderator, version=version) | {"form": form, "obstacle": obstacle}
    context["commercial_use"] = [label for use, label in COMMERCIAL_CHOICES if use in version.commercial_use]
    return render(request, "moderation/review.html", context)


def _decide(version: Version, case: Case | None, moderator: User, data: dict[str, Any]) -> None:
    """Through the case where there is one, so that all that follows from a decision does."""
    reasons = {"public_reasoning": data["public_reasoning"], "private_notes": data["private_notes"]}
    approve = data["verdict"] == "approve"
    if case is None:
        version_review(version=version, actor=moderator, approve=approve, **reasons)
        return
    deed = Deed(verdict=Verdict.APPROVE if approve else Verdict.REFUSE, **reasons)
    case_decide(case=case, actor=moderator, revision=case.revision, deed=deed)


def _obstacle(version: Version, moderator: User) -> DomainError | None:
    """Why this moderator cannot decide here, so that the page says it before they write their reasoning."""
    try:
        check_reviewable(version=version, actor=moderator)
    except DomainError as error:
        return error
    return None
