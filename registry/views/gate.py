"""The download gate: the use, the decision, the terms, the receipt, and the bytes."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from governance.errors import GovernanceRefused
from governance.policy import Use
from governance.selectors import asked_for_last, standing_use
from registry.api.receipts import ReceiptNoticeView, ReceiptSidecarsView, ReceiptView, sidecars_response
from registry.delivery import deliver
from registry.forms import UseForm
from registry.models import Version
from registry.selectors.access import access_version_at_gate
from registry.selectors.mine import access_receipt
from registry.services.access_requests import access_granted
from registry.services.delivery import gate_accept, gate_ask, link_redeem, link_token, require_available


@login_required
@require_http_methods(["GET", "POST"])
def gate(request: HttpRequest, owner: str, name: str, number: int) -> HttpResponse:
    """GET asks for the use; POST `ask` answers with the decision and terms, POST `accept` with the receipt."""
    assert isinstance(request.user, User)
    version = access_version_at_gate(actor=request.user, owner=owner, name=name, number=number)
    require_available(version)
    if not access_granted(actor=request.user, adapter=version.adapter):
        return redirect("access_request", owner=owner, name=name)
    behalf = asked_for_last(actor=request.user)
    initial = {"use": standing_use(actor=request.user, organisation=behalf), "organisation": behalf}
    form = UseForm(request.POST or None, actor=request.user, initial=initial)
    context: dict[str, object] = {"version": version, "adapter": version.adapter, "form": form}
    if request.method == "POST" and form.is_valid():
        return _answer(request, version, form, context)
    return render(request, "registry/gate.html", context)


def _answer(request: HttpRequest, version: Version, form: UseForm, context: dict[str, object]) -> HttpResponse:
    assert isinstance(request.user, User)
    use, organisation = Use(form.cleaned_data["use"]), form.cleaned_data["organisation"]
    asked = {"actor": request.user, "organisation": organisation, "version": version, "use": use}
    if request.POST.get("step") != "accept":
        answer = gate_ask(**asked)  # type: ignore[arg-type]
        context |= {"decision": answer.decision.to_json(), "record": answer.record, "terms": answer.terms}
        return render(request, "registry/gate.html", context, status=200 if answer.decision.allowed else 403)
    try:
        receipt = gate_accept(**asked, accepted_terms=request.POST.get("terms", ""))  # type: ignore[arg-type]
    except GovernanceRefused as refusal:
        context |= {"decision": refusal.decision.to_json(), "record": refusal.record}
        return render(request, "registry/gate.html", context, status=403)
    url = reverse("delivery", args=[link_token(receipt=receipt)])
    return render(request, "registry/receipt.html", {**context, "receipt": receipt, "download_url": url})


@require_safe
def delivery(request: HttpRequest, token: str) -> HttpResponseBase:
    """The bytes behind a short-lived link."""
    file = link_redeem(token=token)
    return deliver(request, blob=file.blob, filename=file.path)


@require_safe
def receipt_json(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The receipt for a browser; a program with a token gets the API's answer at the same address."""
    if request.headers.get("Authorization"):
        return ReceiptView.as_view()(request, pk=pk)
    return _receipt_json(request, pk)


@login_required
def _receipt_json(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    receipt = access_receipt(actor=request.user, pk=pk)
    response = JsonResponse(receipt.body, json_dumps_params={"indent": 2})
    response["Content-Disposition"] = f'attachment; filename="receipt-{receipt.pk}.json"'
    return response


@require_safe
def receipt_notice(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The notice, in the same two ways."""
    if request.headers.get("Authorization"):
        return ReceiptNoticeView.as_view()(request, pk=pk)
    return _receipt_notice(request, pk)


@login_required
def _receipt_notice(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    receipt = access_receipt(actor=request.user, pk=pk)
    response = HttpResponse(receipt.notice, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="NOTICE.txt"'
    return response


@require_safe
def receipt_sidecars(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """What local tools keep beside the file, in the same two ways."""
    if request.headers.get("Authorization"):
        return ReceiptSidecarsView.as_view()(request, pk=pk)
    return _receipt_sidecars(request, pk)


@login_required
def _receipt_sidecars(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    return sidecars_response(actor=request.user, pk=pk)
