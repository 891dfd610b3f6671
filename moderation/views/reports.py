"""Reporting, for everybody: choosing what is wrong, the notice, and the page behind the tracking link."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from accounts.models import User
from accounts.throttling import client_address
from moderation.errors import EvidenceRefused
from moderation.forms.reports import AppealForm, ReportForm
from moderation.models import Appeal, AppealSide, CaseKind, Report
from moderation.notices import NOTICES
from moderation.services.appeals import reporter_appeal_submit
from moderation.services.evidence import Upload
from moderation.services.reports import Notice, report_by_token, report_retract, report_submit
from registry.models import DiscussionComment, Version
from registry.permissions import AdapterPermission
from registry.selectors.access import Actor, access_adapter, access_version
from registry.selectors.discussions import comment_at
from registry.states import VersionState


@require_safe
def report(request: HttpRequest) -> HttpResponse:
    """What is wrong, and with what."""
    at = request.GET.get("at", "").strip()
    version, comment, problem = None, None, ""
    if at:
        try:
            version, comment = subject_at(request.user, at)
        except DomainError as error:
            problem = error.detail
    context = {"at": at, "version": version, "comment": comment, "problem": problem, "notices": NOTICES}
    return render(request, "moderation/reports/report.html", context)


@require_http_methods(["GET", "POST"])
def report_kind(request: HttpRequest, kind: str) -> HttpResponse:
    """The notice of one kind."""
    if kind not in NOTICES:
        raise NotFound("There is no such kind of report.")
    version, comment = subject_at(request.user, request.GET.get("at", ""))
    account = request.user if isinstance(request.user, User) else None
    initial = {"email": account.email, "name": account.name} if account else {}
    form = ReportForm(request.POST or None, request.FILES or None, kind=kind, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            return _submit(request, version, comment, CaseKind(kind), form)
        except EvidenceRefused as error:
            form.add_error("files", f"{error.detail} {error.remedy}")
    context = {"form": form, "version": version, "comment": comment, "rule": NOTICES[kind], "kind": kind}
    return render(request, "moderation/reports/notice.html", context)


def _submit(
    request: HttpRequest, version: Version, comment: DiscussionComment | None, kind: CaseKind, form: ReportForm
) -> HttpResponse:
    data, account = form.cleaned_data, request.user if isinstance(request.user, User) else None
    notice = Notice(
        kind=kind,
        text=data["text"],
        work=data.get("work", ""),
        comment=comment,
        contact=form.contact(),
        sworn=form.sworn(),
    )
    files = [Upload(file.name, file.read()) for file in data.get("files") or ()]
    _, token = report_submit(
        version=version, notice=notice, address=client_address(request), account=account, files=files
    )
    messages.success(request, "Your report has arrived. Keep the address of this page: it is your receipt.")
    return redirect("report_track", token=token)


def subject_at(actor: Actor, at: str) -> tuple[Version, DiscussionComment | None]:
    """The version that an address names, and the comment where it names one of a discussion about its adapter.

    Raises NotFound where the actor may not see it.
    """
    parts = [part for part in urlsplit(at.replace("\0", "")).path.split("/") if part]
    if len(parts) == 6 and (parts[2], parts[4]) == ("discussions", "comments"):
        comment = comment_at(actor=actor, owner=parts[0], name=parts[1], number=parts[3], public_id=parts[5])
        return _version_at(actor, parts[:2]), comment
    return _version_at(actor, parts), None


def _version_at(actor: Actor, parts: list[str]) -> Version:
    if len(parts) == 4 and parts[2] == "v" and parts[3].isdecimal() and len(parts[3]) < 9:
        return access_version(actor=actor, owner=parts[0], name=parts[1], number=int(parts[3]))
    if len(parts) != 2:
        raise NotFound("Give the address of an adapter, as /owner/name.")
    adapter = access_adapter(actor=actor, owner=parts[0], name=parts[1], permission=AdapterPermission.READ)
    version = adapter.latest or adapter.versions.order_by("-number").first()
    if version is None:
        raise NotFound("This adapter has no version yet.")
    return access_version(actor=actor, owner=parts[0], name=parts[1], number=version.number)


@require_safe
def report_track(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt: what was sent, by when it is decided, what was decided, and how to object."""
    return _track(request, report_by_token(token), token)


def _track(request: HttpRequest, found: Report, token: str, **more: Any) -> HttpResponse:
    case = found.case
    appeal = (
        Appeal.objects.filter(of_decision=case.decision, side=AppealSide.REPORTER).first() if case.decision else None
    )
    online = case.version.state == VersionState.PUBLISHED
    context = {
        "report": found,
        "case": case,
        "rule": NOTICES[found.kind],
        "token": token,
        "appeal": appeal,
        "may_appeal": not case.is_open and case.decision and online and not appeal and not found.retracted_at,
        "appeal_days": settings.APPEAL_WINDOW.days,
        "form": AppealForm(),
    }
    response = render(request, "moderation/reports/track.html", {**context, **more})
    response["Cache-Control"] = "no-store"
    # The origin without the path, which is a secret. Without the origin the page's own forms would be refused.
    response["Referrer-Policy"] = "strict-origin"
    return response


@require_POST
def report_take_back(request: HttpRequest, token: str) -> HttpResponse:
    """Its sender takes the report back."""
    report_retract(report=report_by_token(token))
    messages.success(request, "Your report is taken back.")
    return redirect("report_track", token=token)


@require_POST
def report_appeal(request: HttpRequest, token: str) -> HttpResponse:
    """Its sender objects that it stays online."""
    found = report_by_token(token)
    form = AppealForm(request.POST)
    if not form.is_valid():
        return _track(request, found, token, form=form)
    reporter_appeal_submit(report=found, text=form.cleaned_data["text"])
    messages.success(request, "Your objection has arrived. Somebody who did not decide before looks at it.")
    return redirect("report_track", token=token)
