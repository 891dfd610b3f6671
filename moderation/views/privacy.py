"""Privacy pages: what is kept, a copy of it, and its erasure, for an account and for an address behind a link."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.erasure import organisations_owned_alone
from accounts.errors import DomainError
from accounts.models import User
from accounts.throttling import client_address, sign_in_blocked, sign_in_failed, sign_in_succeeded
from moderation.errors import ExportUnavailable, PrivacyLinkInvalid
from moderation.forms.privacy import AccountErasureForm, AddressErasureForm, PrivacyLinkForm
from moderation.models import DataExport, ErasedVia, PrivacyLink
from moderation.selectors.periods import retention_periods
from moderation.selectors.personal_data import address_summary
from moderation.services.data_erasure import Choices, address_erase, user_erase
from moderation.services.data_export import export_ask, export_fetch
from moderation.services.privacy_links import link_email, privacy_link_ask, privacy_link_of, privacy_link_open
from moderation.throttling import count_or_refuse

LINK = "privacy-link"  # in the session: digest of the secret whose link was opened
SESSION_SECONDS = 3600
WRONG_LINKS_AN_HOUR = 30


@never_cache
@require_http_methods(["GET", "POST"])
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept and how long; POST has a link mailed, with the same answer for every address."""
    form = PrivacyLinkForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            privacy_link_ask(email=form.cleaned_data["email"], address=client_address(request))
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
            return _privacy_page(request, form, error.status)
        return redirect("privacy_sent")
    return _privacy_page(request, form, 422 if form.errors else 200)


def _privacy_page(request: HttpRequest, form: PrivacyLinkForm, status: int) -> HttpResponse:
    context = {"form": form, "periods": retention_periods()}
    return render(request, "moderation/privacy/privacy.html", context, status=status)


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """What happens next; the same for every address."""
    context = {"hours": int(settings.PRIVACY_LINK_LIFETIME.total_seconds() // 3600)}
    return render(request, "moderation/privacy/sent.html", context)


@never_cache
@require_safe
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The link of the mail: takes the secret out of the address, as its digest into the session."""
    try:
        link = privacy_link_open(secret=secret)
    except PrivacyLinkInvalid:
        count_or_refuse(what="privacy-wrong", who=client_address(request), limit=WRONG_LINKS_AN_HOUR)
        raise
    if not request.user.is_authenticated:
        request.session.set_expiry(SESSION_SECONDS)
    request.session.cycle_key()
    request.session[LINK] = link.digest
    response = redirect("privacy_address")
    response["Referrer-Policy"] = "no-referrer"  # of a redirect alone: a page's forms would be sent without an origin
    return response


def _link(request: HttpRequest) -> PrivacyLink:
    return privacy_link_of(digest=str(request.session.get(LINK, "")))


@never_cache
@require_safe
def address(request: HttpRequest) -> HttpResponse:
    """What is kept about the address that the link was mailed to."""
    link = _link(request)
    found = address_summary(link.email_digest)
    context = {"email": link_email(link), "link": link, "found": found, "any": any(found.values())}
    return render(request, "moderation/privacy/address.html", {**context, "exports": _rows(link.exports)})


def _rows(exports: Any) -> list[DataExport]:
    return list(exports.order_by("-created_at")[:10])


@require_POST
def address_export(request: HttpRequest) -> HttpResponse:
    """Have a copy made."""
    export_ask(link=_link(request))
    return redirect("privacy_address")


@never_cache
@require_http_methods(["GET", "POST"])
def address_forget(request: HttpRequest) -> HttpResponse:
    """Erase it all: the link was the first confirmation, the form is the second."""
    link = _link(request)
    form = AddressErasureForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        address_erase(email=link_email(link), via=ErasedVia.LINK, never_ask=form.cleaned_data["never_ask"])
        request.session.pop(LINK, None)
        return redirect("privacy_erased")
    context = {"form": form, "email": link_email(link), "found": address_summary(link.email_digest)}
    status = 422 if form.errors else 200
    return render(request, "moderation/privacy/address_erase.html", context, status=status)


@require_safe
def erased(request: HttpRequest) -> HttpResponse:
    """It is done, and what stays."""
    return render(request, "moderation/privacy/erased.html")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """One's own data: the copies under way and ready; POST has a new one made."""
    assert isinstance(request.user, User)
    if request.method == "POST":
        export_ask(user=request.user)
        return redirect("account_privacy")
    context = {"exports": _rows(request.user.data_exports), "periods": retention_periods()}
    return render(request, "moderation/privacy/account.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def account_forget(request: HttpRequest) -> HttpResponse:
    """Delete the account: with the password again, and a choice about what is published."""
    assert isinstance(request.user, User)
    form = AccountErasureForm(request.POST if request.method == "POST" else None, user=request.user)
    if request.method == "POST" and form.is_valid() and _knows_password(request, request.user, form):
        left = frozenset(adapter.pk for adapter in form.cleaned_data.get("left_public", ()))
        try:
            user_erase(user=request.user, choices=Choices(left_public=left), via=ErasedVia.ACCOUNT)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            logout(request)
            messages.success(request, "Your account is deleted.")
            return redirect("privacy_erased")
    context = {"form": form, "alone": organisations_owned_alone(request.user)}
    return render(request, "moderation/privacy/account_erase.html", context, status=422 if form.errors else 200)


def _knows_password(request: HttpRequest, user: User, form: AccountErasureForm) -> bool:
    """Counted with the sign-ins: whoever finds an open browser guesses no more often than others."""
    counted = {"login": user.username, "address": client_address(request)}
    if sign_in_blocked(**counted):
        form.add_error(None, "Too many attempts failed. Wait a quarter of an hour and try again.")
        return False
    if not user.check_password(form.cleaned_data["password"]):
        sign_in_failed(**counted)
        form.add_error("password", "This is not your password.")
        return False
    sign_in_succeeded(**counted)
    return True


def _export(request: HttpRequest, public_id: uuid.UUID) -> DataExport:
    """One's own export: of the account that is signed in, or of the link that was opened. Raises ExportUnavailable."""
    digest = str(request.session.get(LINK, ""))
    mine = DataExport.objects.filter(public_id=public_id)
    found = mine.filter(user=request.user).first() if isinstance(request.user, User) else None
    if found is None and digest:
        found = mine.filter(link=privacy_link_of(digest=digest)).first()
    if found is None:
        raise ExportUnavailable("There is no such export of yours.")
    return found


@never_cache
@require_safe
def export_status(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """How far it is: the fragment that asks for itself again until it is done."""
    export = _export(request, public_id)
    return render(request, "moderation/privacy/_export.html", {"export": export})


@never_cache
@require_safe
def export_file(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The zip."""
    export = _export(request, public_id)
    actor = request.user if isinstance(request.user, User) and export.user_id == request.user.pk else None
    content = export_fetch(export=export, actor=actor)
    response = HttpResponse(content, content_type="application/zip")
    name = f"my-data-{export.created_at:%Y-%m-%d}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    return response
