"""Consents of a grantee: the list, a new request, one consent with what rests on it, and what a version rests on."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import NotFound
from accounts.models import User
from moderation.consent_terms import ConsentState
from moderation.errors import ModerationError
from moderation.forms.consents import AskForm, EvidenceForm
from moderation.models.consent import Consent
from moderation.selectors.consent_pages import (
    access_held,
    consent_facts,
    consents_held_by,
    uses_of,
    version_standing,
    versions_to_link,
)
from moderation.services.consent_evidence import consent_evidence_add
from moderation.services.consents import consent_ask, consent_details, consent_link, consent_withdraw
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version, access_version_by_id
from registry.selectors.paging import page_by_key
from registry.views.mine import keys_of, links_of

ADDABLE = frozenset({ConsentState.ASKED, ConsentState.GRANTED})


@login_required
@require_safe
def held(request: HttpRequest) -> HttpResponse:
    """The consents that one holds or has asked for."""
    assert isinstance(request.user, User)
    page = page_by_key(consents_held_by(actor=request.user), by="asked_at", **keys_of(request))
    rows = [(consent, consent_details(consent), consent_facts(consent)["badge"]) for consent in page.rows]
    return render(request, "moderation/consents/held.html", {"rows": rows, **links_of(request, page)})


@login_required
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """A request for consent; `?adapter=owner/name` fills that in."""
    assert isinstance(request.user, User)
    initial = {"adapters": request.GET.get("adapter", "")[:101], "kind": "person"}
    form = AskForm(request.POST or None, actor=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            consent = consent_ask(actor=request.user, organisation=form.cleaned_data["organisation"], ask=form.ask())
        except ModerationError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            messages.success(request, "Asked. They get a mail with a link, and you get one when they have answered.")
            return redirect("consent_held", consent.public_id)
    return render(request, "moderation/consents/ask.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_safe
def one(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One consent: what was asked, what holds, what rests on it."""
    assert isinstance(request.user, User)
    consent = access_held(actor=request.user, public_id=public_id)
    return _page(request, consent, EvidenceForm())


def _page(request: HttpRequest, consent: Consent, form: EvidenceForm, status: int = 200) -> HttpResponse:
    assert isinstance(request.user, User)
    context = consent_facts(consent) | {
        "details": consent_details(consent),
        "uses": uses_of(consent),
        "evidence": list(consent.evidence.all()),
        "linkable": versions_to_link(actor=request.user, consent=consent),
        "form": form if consent.state in ADDABLE else None,
    }
    return render(request, "moderation/consents/one.html", context, status=status)


@login_required
@require_POST
def evidence(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Add a file that shows the consent."""
    assert isinstance(request.user, User)
    consent = access_held(actor=request.user, public_id=public_id)
    form = EvidenceForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            consent_evidence_add(consent=consent, upload=form.upload(), by="grantee", actor=request.user)
        except ModerationError as error:
            form.add_error("file", f"{error.detail} {error.remedy}")
        else:
            messages.success(request, "Kept, encrypted. Only moderators can read it.")
            return redirect("consent_held", public_id)
    return _page(request, consent, form, status=422)


@login_required
@require_POST
def withdraw(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Take an unanswered request back."""
    assert isinstance(request.user, User)
    consent_withdraw(consent=access_held(actor=request.user, public_id=public_id), actor=request.user)
    messages.success(request, "The request is taken back.")
    return redirect("consent_held", public_id)


@login_required
@require_POST
def link(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Rest a version on this consent."""
    assert isinstance(request.user, User)
    consent = access_held(actor=request.user, public_id=public_id)
    written = request.POST.get("version", "")
    if not written.isdecimal() or len(written) > 18:
        raise NotFound("There is no such version of yours.")
    version = access_version_by_id(actor=request.user, pk=int(written), permission=AdapterPermission.CONTRIBUTE)
    consent_link(version=version, consent=consent, actor=request.user)
    messages.success(request, f"{version} rests on this consent now.")
    return redirect("consent_held", public_id)


@login_required
@require_safe
def of_version(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """The consents that a version rests on, for its own people."""
    version = access_version(
        actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.READ_UNPUBLISHED
    )
    context = version_standing(version=version)
    return render(request, "moderation/consents/of_version.html", context)
