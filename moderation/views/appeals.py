"""The uploader's side: what is asked of them, the statement of reasons, appeals and counter-notices."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import NotFound
from accounts.models import User
from moderation.errors import NoAppeal
from moderation.forms.reports import AnswerForm, AppealForm, CounterNoticeForm
from moderation.models import Appeal, AppealSide, CaseStatus, StatementOfReasons
from moderation.notices import COUNTER_NOTICE
from moderation.selectors.cases import access_case_affected, is_affected, questions_of
from moderation.services.appeals import appeal_submit, appealable, counter_notice_fits, counter_notice_submit
from moderation.services.cases import case_answer
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version_by_id


@login_required
@require_http_methods(["GET", "POST"])
def case_affected(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """A case as the uploader's side sees it: what was asked, what was decided. POST answers a question."""
    assert isinstance(request.user, User)
    found = access_case_affected(actor=request.user, public_id=public_id)
    form = AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        case_answer(case=found, actor=request.user, text=form.cleaned_data["text"])
        messages.success(request, "Your answer is with the moderators.")
        return redirect("case_affected", public_id=public_id)
    context = {
        "case": found,
        "talk": questions_of(found),
        "form": form,
        "asked": found.status == CaseStatus.WAITING,
        "statements": found.statements.all(),
        "granted": found.appeal.granted if hasattr(found, "appeal") else None,
    }
    return render(request, "moderation/reports/case.html", context)


@login_required
@require_safe
def statement(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """A statement of reasons, for the uploader's side and moderators."""
    assert isinstance(request.user, User)
    related = ("version__adapter__owner", "version__decision", "decision", "case")
    found = StatementOfReasons.objects.select_related(*related).filter(public_id=public_id).first()
    if found is None or not (request.user.is_moderator or is_affected(actor=request.user, version=found.version)):
        raise NotFound("There is no such statement of reasons that you may read.")
    appeal = Appeal.objects.filter(of_decision=found.decision, side=AppealSide.AFFECTED).select_related("case").first()
    context = {
        "statement": found,
        "version": found.version,
        "appeal": appeal,
        "in_force": found.version.decision_id == found.decision_id,
        "affected": is_affected(actor=request.user, version=found.version),
        "counter_notice": counter_notice_fits(found.version),
    }
    return render(request, "moderation/reports/statement.html", context)


def _version(request: HttpRequest, public_id: uuid.UUID) -> Version:
    """The version, for who contributes to its adapter."""
    pk = Version.objects.filter(public_id=public_id).values_list("pk", flat=True).first()
    return access_version_by_id(actor=request.user, pk=pk or 0, permission=AdapterPermission.CONTRIBUTE)


@login_required
@require_http_methods(["GET", "POST"])
def appeal(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """An appeal against what restricts a version."""
    assert isinstance(request.user, User)
    version = _version(request, public_id)
    form = AppealForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = appeal_submit(version=version, actor=request.user, text=form.cleaned_data["text"])
        messages.success(request, "Your appeal has arrived. Somebody who did not decide before looks at it.")
        return redirect("case_affected", public_id=made.case.public_id)
    context = {"version": version, "form": form, "obstacle": _obstacle(version)}
    return render(request, "moderation/reports/appeal.html", context | {"counter_notice": counter_notice_fits(version)})


@login_required
@require_http_methods(["GET", "POST"])
def counter_notice(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The sworn answer to a notice of infringement."""
    assert isinstance(request.user, User)
    version = _version(request, public_id)
    user = request.user
    form = CounterNoticeForm(request.POST or None, initial={"name": user.name, "email": user.email})
    if request.method == "POST" and form.is_valid():
        made = counter_notice_submit(
            version=version, actor=user, text=form.cleaned_data["text"], contact=form.contact(), sworn=form.sworn()
        )
        messages.success(request, "Your counter-notice has arrived, and was sent on to whoever sent the notice.")
        return redirect("case_affected", public_id=made.case.public_id)
    obstacle = _obstacle(version)
    if obstacle is None and not counter_notice_fits(version):
        obstacle = NoAppeal("A counter-notice answers a removal for rights infringement; this is none.")
    context = {"version": version, "form": form, "obstacle": obstacle, "rule": COUNTER_NOTICE}
    return render(request, "moderation/reports/counter_notice.html", context)


def _obstacle(version: Version) -> NoAppeal | None:
    """Why nothing can be appealed, so that the page says it before somebody writes."""
    try:
        appealable(version)
    except NoAppeal as error:
        return error
    return None
