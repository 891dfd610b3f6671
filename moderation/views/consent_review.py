"""Consents for moderators: the list, one with its evidence, the verification. Each look at a file is on record."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import NotFound
from moderation.consent_terms import ConsentState, Verification
from moderation.forms.consents import VerifyForm
from moderation.models.consent import Consent, ConsentEvidence
from moderation.selectors.consent_pages import consent_facts, consents_for_moderators, uses_of
from moderation.selectors.review import require_moderator
from moderation.services.consent_evidence import consent_evidence_view
from moderation.services.consents import consent_details, consent_verify, verification_note
from registry.selectors.paging import page_by_key
from registry.views.mine import keys_of


@login_required
@require_safe
def every(request: HttpRequest) -> HttpResponse:
    """Every consent; `?unverified=1` those in force that nobody has verified."""
    require_moderator(request.user)
    state, unverified = request.GET.get("state", ""), request.GET.get("unverified") == "1"
    found = consents_for_moderators(state=state, unverified=unverified)
    page = page_by_key(found, by="asked_at", **keys_of(request))
    rows = [consent_facts(consent) for consent in page.rows]
    kept = f"&state={state}" if state in list(ConsentState) else "&unverified=1" if unverified else ""
    context = {
        "rows": rows,
        "states": list(ConsentState),
        "state": state,
        "unverified": unverified,
        "next_url": f"{request.path}?before={page.before}{kept}" if page.before else "",
        "previous_url": f"{request.path}?after={page.after}{kept}" if page.after else "",
    }
    return render(request, "moderation/consents/every.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One consent in full; POST says how it was verified."""
    moderator = require_moderator(request.user)
    consent = _consent(public_id)
    form = VerifyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        method = Verification(form.cleaned_data["method"])
        consent_verify(consent=consent, actor=moderator, method=method, note=form.cleaned_data["note"])
        messages.success(request, "The verification is on record.")
        return redirect("consent_review", public_id)
    context = consent_facts(consent) | {
        "details": consent_details(consent),
        "note": verification_note(consent),
        "evidence": list(consent.evidence.select_related("actor")),
        "uses": uses_of(consent),
        "recalls": list(consent.recalls.all()),
        "form": form if consent.subject.erased_at is None else None,
    }
    return render(request, "moderation/consents/review.html", context, status=422 if form.errors else 200)


def _consent(public_id: uuid.UUID) -> Consent:
    consent = consents_for_moderators().filter(public_id=public_id).first()
    if consent is None:
        raise NotFound("There is no such consent.")
    return consent


@never_cache
@login_required
@require_POST
def evidence(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The file itself. By POST alone: no program that looks ahead writes a look on record that nobody took."""
    moderator = require_moderator(request.user)
    found = ConsentEvidence.objects.select_related("consent").filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such file.")
    opened = consent_evidence_view(evidence=found, actor=moderator)
    response = HttpResponse(opened.content, content_type=opened.content_type)
    response["Content-Disposition"] = content_disposition_header(True, opened.name) or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
