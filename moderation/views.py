"""The moderators' queue and the review of one version."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from moderation.forms import ReviewForm
from moderation.selectors import require_moderator, review_queue
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version_by_id
from registry.selectors.pages import version_page
from registry.services.review import version_review


@login_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    require_moderator(request.user)
    return render(request, "moderation/queue.html", {"versions": review_queue()[:200]})


@login_required
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, pk: int) -> HttpResponse:
    moderator = require_moderator(request.user)
    version = access_version_by_id(actor=moderator, pk=pk, permission=AdapterPermission.REVIEW)
    form = ReviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        version_review(
            version=version,
            actor=moderator,
            approve=data["verdict"] == "approve",
            public_reasoning=data["public_reasoning"],
            private_notes=data["private_notes"],
        )
        messages.success(request, f"The decision on {version} is on record.")
        return redirect("review_queue")
    context = version_page(actor=moderator, version=version) | {"form": form}
    return render(request, "moderation/review.html", context)
