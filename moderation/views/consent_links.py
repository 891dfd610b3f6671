"""The subject's page behind the link in their mail: no account, and the secret leaves the address bar at once."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import NotFound
from accounts.throttling import client_address
from moderation.consent_terms import ConsentState
from moderation.errors import ModerationError
from moderation.forms.consents import AnswerForm, EvidenceForm
from moderation.models.consent import Consent
from moderation.selectors.consent_pages import consent_facts, scope_lines, uses_of
from moderation.services.consent_answers import (
    consent_by_key,
    consent_grant,
    consent_narrow,
    consent_refuse,
    consent_revoke,
    key_digest,
)
from moderation.services.consent_evidence import consent_evidence_add
from moderation.services.consents import consent_details, subject_erase
from moderation.throttling import count_or_refuse

KEYS = "consent-keys"  # in the session: consent → digest of the secret that opened it
SESSION_SECONDS = 3600
WRONG_LINKS_AN_HOUR = 30
CLOSED = "This link opens nothing. Open the one in your mail again; each is valid for its own request alone."


@never_cache
@require_safe
def open_link(request: HttpRequest, public_id: uuid.UUID, secret: str) -> HttpResponse:
    """Takes the secret out of the address, as its digest into the session, and goes on to the page."""
    digest = key_digest(secret)
    if consent_by_key(public_id=public_id, digest=digest) is None:
        _refuse(request)
    if not request.user.is_authenticated:
        request.session.set_expiry(SESSION_SECONDS)
    request.session.cycle_key()
    request.session[KEYS] = {**request.session.get(KEYS, {}), str(public_id): digest}
    response = redirect("consent_page", public_id)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _refuse(request: HttpRequest) -> None:
    """One answer, whatever was wrong, and not too often."""
    count_or_refuse(what="consent-link", who=client_address(request), limit=WRONG_LINKS_AN_HOUR)
    raise NotFound(CLOSED, remedy="Write to the moderators when the link in your mail does not work.")


def _opened(request: HttpRequest, public_id: uuid.UUID) -> Consent:
    digest = request.session.get(KEYS, {}).get(str(public_id), "")
    consent = consent_by_key(public_id=public_id, digest=digest) if digest else None
    if consent is None:
        _refuse(request)
    assert consent is not None
    return consent


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What is asked, in plain words; later what holds, every use of it, and the way to end it."""
    consent = _opened(request, public_id)
    limit = consent.terms if consent.state == ConsentState.GRANTED else consent.asked_terms
    form = AnswerForm(request.POST if _answers(request) else None, consent=consent, limit=limit)
    evidence = EvidenceForm()
    if request.method == "POST":
        act = ACTIONS.get(request.POST.get("action", ""))
        if act is None:
            raise NotFound("There is no such answer.")
        if request.POST["action"] == "evidence":
            evidence = EvidenceForm(request.POST, request.FILES)
        form_used: AnswerForm | EvidenceForm = evidence if request.POST["action"] == "evidence" else form
        if _done(request, act, consent, form_used):
            return redirect("home") if act is _erase else redirect("consent_page", public_id)
    return _render(request, consent, form, evidence)


def _answers(request: HttpRequest) -> bool:
    return request.method == "POST" and request.POST.get("action") in {"grant", "narrow"}


Act = Callable[[HttpRequest, Consent, AnswerForm | EvidenceForm], str]


def _done(request: HttpRequest, act: Act, consent: Consent, form: AnswerForm | EvidenceForm) -> bool:
    """Do it and say so; what the form or the service refuses is shown on the form."""
    if form.is_bound and not form.is_valid():
        return False
    try:
        messages.success(request, act(request, consent, form))
    except ModerationError as error:
        if not form.is_bound:
            raise
        form.add_error(None, f"{error.detail} {error.remedy}")
        return False
    return True


def _grant(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    assert isinstance(form, AnswerForm)
    consent_grant(consent=consent, terms=form.terms())
    return "Granted. Keep the mail: by its link you see every use, and take it back whenever you want."


def _narrow(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    assert isinstance(form, AnswerForm)
    consent_narrow(consent=consent, terms=form.terms())
    return "Narrowed. What your consent does not cover any more is held back from now on."


def _refuse_request(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    consent_refuse(consent=consent, never_again=request.POST.get("never_again") == "on")
    return "Refused. They are told that they may not use your likeness or your work."


def _revoke(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    consent_revoke(consent=consent)
    return "Revoked. What rests on it is held back from this moment, and whoever downloaded it is told."


def _evidence(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    assert isinstance(form, EvidenceForm)
    consent_evidence_add(consent=consent, upload=form.upload(), by="subject")
    return "Kept, encrypted. Only moderators can read it."


def _erase(request: HttpRequest, consent: Consent, form: AnswerForm | EvidenceForm) -> str:
    subject_erase(subject=consent.subject)
    return "Erased: your address, your name and the files. What remains is the record without them."


ACTIONS: dict[str, Act] = {
    "grant": _grant,
    "narrow": _narrow,
    "refuse": _refuse_request,
    "revoke": _revoke,
    "evidence": _evidence,
    "erase": _erase,
}


def _render(request: HttpRequest, consent: Consent, form: AnswerForm, evidence: EvidenceForm) -> HttpResponse:
    state = ConsentState(consent.state)
    context = consent_facts(consent) | {
        "details": consent_details(consent),
        "asked": consent.asked_terms,
        "asked_scopes": scope_lines(consent.asked_terms.scopes),
        "uses": uses_of(consent),
        "form": form,
        "evidence_form": evidence,
        "evidence": list(consent.evidence.filter(by="subject")),
        "may_grant": state in {ConsentState.ASKED, ConsentState.REFUSED, ConsentState.REVOKED, ConsentState.EXPIRED},
        "may_erase": state != ConsentState.GRANTED and consent.subject.erased_at is None,
    }
    wrong = form.errors or evidence.errors
    response = render(request, "moderation/consents/subject.html", context, status=422 if wrong else 200)
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
