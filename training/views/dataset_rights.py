"""The report, the rights, the consents, how long the pictures are kept, deletion; and what a moderator decides."""

import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from accounts.models import User
from moderation.models import Consent
from training.forms.datasets import KeepForm, RightsFields, RightsForm, RulingForm
from training.models import Dataset
from training.permissions import DatasetPermission
from training.selectors.consents import consents_linked, consents_to_choose
from training.selectors.dataset_pages import SIDES, findings_shown, report_of
from training.selectors.datasets import access_dataset, access_picture, deletions_readable_by, next_held
from training.services.dataset_rulings import dataset_rule, picture_rule, ruling_next
from training.services.datasets import consent_link, consent_release, current_statement, dataset_update
from training.services.retention import dataset_delete, is_in_use, keep_until
from training.views.datasets import dataset_context

P = DatasetPermission


@login_required
@require_safe
def dataset_report(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """What the set will do to a run."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.READ)
    wanted = request.GET.get("side", "")
    side = int(wanted) if wanted in map(str, SIDES) else None
    report = report_of(found, side=side)
    context = dataset_context(request, found, report=report, sides=SIDES, side=side or report.side)
    return render(request, "training/datasets/report.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def dataset_rights(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The declaration, and everything that hangs on it."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.MANAGE)
    statement = current_statement()
    initial = {field: getattr(found, field) for field in RightsFields.base_fields}
    form = RightsForm(request.POST or None, initial={**initial, "rights_edition": statement.edition})
    if request.method == "POST" and form.is_valid():
        changes = {key: value for key, value in form.cleaned_data.items() if key != "rights"}
        try:
            dataset_update(dataset=found, actor=cast(User, request.user), changes=changes)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            messages.success(request, "Saved. What it changes is looked at again.")
            return redirect("dataset_rights", owner=owner, name=name)
    return _rights_page(request, found, form)


def _rights_page(request: HttpRequest, found: Dataset, form: RightsForm, **more: Any) -> HttpResponse:
    linked = consents_linked(found)
    there = {str(one.consent.public_id) for one in linked}
    context = dataset_context(
        request,
        found,
        form=form,
        statement=current_statement(),
        linked=linked,
        offered=[pair for pair in consents_to_choose(found) if pair[0] not in there],
        keep_form=more.get("keep_form") or KeepForm(initial={"keep_until": found.keep_until}),
        keep_until=keep_until(found),
        in_use=is_in_use(found),
        snapshots=found.snapshots.defer("manifest")[:20],
        blocks=found.blocks.filter(cleared_at=None),
        findings=findings_shown(found.findings),
    )
    status = 422 if form.errors or more.get("keep_form") else 200
    return render(request, "training/datasets/rights.html", context, status=status)


@login_required
@require_POST
def dataset_consents(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Link a consent, or let one go."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.MANAGE)
    consent = _consent(found, request.POST.get("consent", ""))
    if request.POST.get("release"):
        consent_release(dataset=found, actor=cast(User, request.user), consent=consent)
        messages.success(request, "The set no longer rests on it. Its pictures are looked at again.")
    else:
        consent_link(dataset=found, actor=cast(User, request.user), consent=consent)
        messages.success(request, "The set rests on this consent. What it excuses is looked at again.")
    return redirect("dataset_rights", owner=owner, name=name)


def _consent(found: Dataset, value: str) -> Consent:
    """One that could be linked, or is; any other is not there."""
    known = {pk for pk, _ in consents_to_choose(found)} | {str(one.consent.public_id) for one in consents_linked(found)}
    if value not in known:
        raise NotFound("There is no such consent that this set could rest on.")
    return Consent.objects.get(public_id=value)


@login_required
@require_POST
def dataset_keep(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Until when the pictures are kept at least."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.MANAGE)
    form = KeepForm(request.POST)
    if not form.is_valid():
        return _rights_page(request, found, RightsForm(), keep_form=form)
    dataset_update(dataset=found, actor=cast(User, request.user), changes=form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("dataset_rights", owner=owner, name=name)


@login_required
@require_http_methods(["GET", "POST"])
def dataset_remove(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Delete it for good, after a page that says what that means."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.MANAGE)
    if request.method == "GET":
        return render(
            request, "training/datasets/remove.html", dataset_context(request, found, in_use=is_in_use(found))
        )
    deletion = dataset_delete(dataset=found, actor=cast(User, request.user))
    messages.success(request, f"{deletion.pictures} pictures are deleted.")
    return redirect("dataset_deletions")


@login_required
@require_safe
def dataset_deletions(request: HttpRequest) -> HttpResponse:
    """What was deleted of one's own, and the proof."""
    rows = deletions_readable_by(cast(User, request.user))[:100]
    return render(request, "training/datasets/deletions.html", {"deletions": rows})


@login_required
@require_POST
def dataset_picture_rule(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A moderator lets a picture pass, or refuses it."""
    picture = access_picture(actor=request.user, public_id=pk, permission=P.REVIEW)
    form = RulingForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        allow = data["verdict"] == "allow"
        picture_rule(picture=picture, actor=cast(User, request.user), allow=allow, reasoning=data["reasoning"])
        messages.success(request, f"Decided, and on record. {ruling_next(picture)}")
        after = next_held(picture.dataset)
        return redirect("dataset_picture", pk=after) if after else redirect("datasets")
    messages.error(request, "Say what you decide, and why.")
    return redirect("dataset_picture", pk=pk)


@login_required
@require_POST
def dataset_set_rule(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """A moderator lets pass what was found about the set."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.REVIEW)
    reasoning = request.POST.get("reasoning", "").strip()
    if not reasoning:
        messages.error(request, "Say why.")
        return redirect("dataset", owner=owner, name=name)
    dataset_rule(dataset=found, actor=cast(User, request.user), reasoning=reasoning[:2000])
    messages.success(request, "Decided, and on record.")
    return redirect("datasets")
