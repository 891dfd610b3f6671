"""The moderators' dashboard: the one queue, the page of a case, and what is done there."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from moderation.forms.cases import (
    AssignForm,
    ContactForm,
    DecisionForm,
    EscalateForm,
    EvidenceForm,
    NoteForm,
    QueueForm,
)
from moderation.models import Appeal, Case, Report
from moderation.selectors.case_page import case_page
from moderation.selectors.cases import access_case, case_queue, moderators, queue_counts
from moderation.selectors.review import require_moderator
from moderation.services.cases import (
    case_assign,
    case_claim,
    case_escalate,
    case_note,
    case_obstacle,
    case_release,
    check_disinterested,
)
from moderation.services.decisions import case_decide
from moderation.services.emergency import emergency_hold
from moderation.services.evidence import Opened, Upload, evidence_add, file_blurred, file_view
from moderation.services.people import contact_show
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version_by_id

SHOWN = 200


@login_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The page, or its list alone for HTMX."""
    moderator = require_moderator(request.user)
    form = QueueForm(request.GET)
    query = form.query()
    cases = case_queue(actor=moderator, query=query)[:SHOWN]
    context = {"cases": cases, "counts": queue_counts(), "form": form, "query": query}
    part = request.headers.get("HX-Request") and request.headers.get("HX-Target") == "queue"
    return render(request, f"moderation/cases/{'_queue' if part else 'queue'}.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def case(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The case; POST decides it."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    form = DecisionForm(request.POST or None, case=found)
    if request.method == "POST" and form.is_valid():
        revision = form.cleaned_data["revision"]
        decided = case_decide(case=found, actor=moderator, revision=revision, deed=form.deed())
        messages.success(request, f"{decided}: on record.")
        return redirect(found) if decided.is_open else redirect("review_queue")
    return _page(request, found, moderator, form=form)


def _case(moderator: User, public_id: uuid.UUID) -> Case:
    """The case, for moderators who have no interest of their own in it."""
    found = access_case(public_id=public_id)
    check_disinterested(found, moderator)
    return found


def _page(request: HttpRequest, found: Case, moderator: User, **more: Any) -> HttpResponse:
    context = case_page(case=found, actor=moderator) | {
        "obstacle": case_obstacle(found, moderator),
        "is_mine": found.claimed_by_id == moderator.pk,
        "note_form": NoteForm(prefix="note"),
        "escalate_form": EscalateForm(prefix="escalate"),
        "contact_form": ContactForm(prefix="contact"),
        "evidence_form": EvidenceForm(prefix="evidence"),
        "assign_form": AssignForm(moderators=moderators(), initial={"assignee": found.assignee}),
    }
    response = render(request, "moderation/cases/case.html", {**context, **more})
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def claim(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Take a case up, or keep it."""
    moderator = require_moderator(request.user)
    return redirect(case_claim(case=_case(moderator, public_id), actor=moderator))


@login_required
@require_POST
def release(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Put it back."""
    moderator = require_moderator(request.user)
    case_release(case=_case(moderator, public_id), actor=moderator)
    return redirect("review_queue")


@login_required
@require_POST
def assign(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Give it to somebody."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    form = AssignForm(request.POST, moderators=moderators())
    if form.is_valid():
        case_assign(case=found, actor=moderator, assignee=form.cleaned_data["assignee"])
    else:
        messages.error(request, "Choose one of the moderators.")
    return redirect(found)


@login_required
@require_POST
def note(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Write a note for the other moderators."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    form = NoteForm(request.POST, prefix="note")
    if not form.is_valid():
        return _page(request, found, moderator, form=DecisionForm(case=found), note_form=form)
    case_note(case=found, actor=moderator, text=form.cleaned_data["text"])
    return redirect(found)


@login_required
@require_POST
def escalate(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Put it in front of everybody."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    form = EscalateForm(request.POST, prefix="escalate")
    if not form.is_valid():
        return _page(request, found, moderator, form=DecisionForm(case=found), escalate_form=form)
    case_escalate(case=found, actor=moderator, reason=form.cleaned_data["reason"])
    messages.success(request, "The case is marked as urgent, for everybody.")
    return redirect("review_queue")


@login_required
@require_POST
def evidence(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Add a file to the case."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    form = EvidenceForm(request.POST, request.FILES, prefix="evidence")
    if not form.is_valid():
        return _page(request, found, moderator, form=DecisionForm(case=found), evidence_form=form)
    sent = form.cleaned_data["file"]
    evidence_add(case=found, upload=Upload(sent.name, sent.read()), actor=moderator)
    return redirect(found)


@login_required
@require_POST
def hold(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The emergency hold, from the case."""
    moderator = require_moderator(request.user)
    return _hold(request, _case(moderator, public_id).version_id, moderator)


@login_required
@require_POST
def version_hold(request: HttpRequest, pk: int) -> HttpResponse:
    """The emergency hold, from the adapter's page."""
    moderator = require_moderator(request.user)
    version = access_version_by_id(actor=moderator, pk=pk, permission=AdapterPermission.REVIEW)
    return _hold(request, version.pk, moderator)


def _hold(request: HttpRequest, version_id: int, moderator: User) -> HttpResponse:
    version = Version.objects.select_related("adapter__owner").get(pk=version_id)
    held = emergency_hold(version=version, actor=moderator)
    messages.success(request, f"{version} is held back. The case decides what becomes of it.")
    return redirect(held)


@login_required
@require_POST
def contact(request: HttpRequest, public_id: uuid.UUID, pk: uuid.UUID) -> HttpResponse:
    """Who sent a report or counter-notice, once and on record."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    sender = _sender(found, pk)
    form = ContactForm(request.POST, prefix="contact")
    if sender is None or not form.is_valid():
        messages.error(request, "Say why you need to know who sent it.")
        return redirect(found)
    shown = contact_show(of=sender, actor=moderator, reason=form.cleaned_data["reason"])
    return _page(request, found, moderator, form=DecisionForm(case=found), contact=shown, contact_of=pk)


def _sender(found: Case, pk: uuid.UUID) -> Report | Appeal | None:
    report = found.reports.filter(public_id=pk).first()
    return report or Appeal.objects.filter(case=found, public_id=pk).first()


@login_required
@require_safe
def case_file(request: HttpRequest, public_id: uuid.UUID, key: str) -> HttpResponseBase:
    """A picture or file of the case. That the moderator looked goes on record, each time."""
    moderator = require_moderator(request.user)
    return _served(file_view(case=_case(moderator, public_id), key=key, actor=moderator))


@login_required
@require_safe
def case_file_blurred(request: HttpRequest, public_id: uuid.UUID, key: str) -> HttpResponseBase:
    """The picture with nothing to be made out in it."""
    moderator = require_moderator(request.user)
    found = _case(moderator, public_id)
    return _served(Opened(file_blurred(case=found, key=key), "image/png", "blurred.png"))


def _served(opened: Opened) -> HttpResponse:
    """Never cached, never run: pictures in the page, everything else as a download."""
    response = HttpResponse(opened.content, content_type=opened.content_type)
    where = "inline" if opened.content_type.startswith("image/") else "attachment"
    response["Content-Disposition"] = f'{where}; filename="{_plain_name(opened.name)}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _plain_name(name: str) -> str:
    return (
        "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in name)[-80:] or "file"
    )
