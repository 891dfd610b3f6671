"""The public pages of the opt-out register: registering, confirming by mail, and managing what one has registered."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from accounts.models import User
from accounts.throttling import client_address
from moderation.errors import OptOutLinkInvalid
from moderation.forms.optout import LinkForm, RegisterForm
from moderation.models import OptOutEntry, OptOutHolder
from moderation.selectors.optout_pages import holder_of_user, holder_page
from moderation.services.optout import (
    PER_USER_AN_HOUR,
    claims_withdraw,
    holder_by_digest,
    holder_by_secret,
    holder_link_ask,
    optout_confirm,
    optout_register,
    registration_by_secret,
)
from moderation.services.optout_rulings import holder_erase
from moderation.throttling import HOUR, count_or_refuse

LINK = "opt-out-link"  # in the session: digest of the secret whose link was opened
SESSION_SECONDS = 3600
WRONG_LINKS_AN_HOUR = 30


@never_cache
@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """What opting out means, and the form."""
    user = request.user if isinstance(request.user, User) else None
    form = RegisterForm(*sent_with(request), signed_in=user is not None)
    if request.method == "POST":
        try:
            _count(request, user)
            if form.is_valid():
                return _registered(request, form, user)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
            return _page(request, form, error.status)
    return _page(request, form, 422 if form.errors else 200)


def sent_with(request: HttpRequest) -> tuple[Any, Any]:
    """What was sent, for a form; an empty one is wrong too, and not a page that is looked at."""
    return (request.POST, request.FILES) if request.method == "POST" else (None, None)


def _page(request: HttpRequest, form: RegisterForm, status: int) -> HttpResponse:
    return render(request, "moderation/optout/register.html", {"form": form}, status=status)


def _count(request: HttpRequest, user: User | None) -> None:
    """So many attempts an hour, counted before the pictures are looked at: those cost the most."""
    who, limit = client_address(request), settings.OPTOUT_REGISTRATIONS_PER_ADDRESS
    if user is not None:
        who, limit = f"user {user.pk}", PER_USER_AN_HOUR
    count_or_refuse(what="opt-out", who=who, limit=limit)


def _registered(request: HttpRequest, form: RegisterForm, user: User | None) -> HttpResponse:
    email = form.cleaned_data.get("email", "")
    if user is None:
        _count_mail(email)
    optout_register(submission=form.submission(), user=user, email=email)
    if user is not None:
        messages.success(request, "Registered. It is looked for from now on.")
        return redirect("optout_mine")
    return redirect("optout_sent")


def _count_mail(email: str) -> None:
    most = settings.OPTOUT_MAILS_PER_MAILBOX
    count_or_refuse(what="opt-out-mail", who=email.strip().lower(), limit=most, window=24 * HOUR)


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """What happens next; the same for every address."""
    return render(request, "moderation/optout/sent.html")


@never_cache
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, secret: str) -> HttpResponse:
    """The link of the mail. It shows what it confirms; the button does it, since mail programs open links too."""
    try:
        registration = registration_by_secret(secret=secret)
    except OptOutLinkInvalid:
        _count_wrong(request)
        raise
    if request.method == "POST":
        manage = optout_confirm(secret=secret)
        messages.success(request, "Confirmed. It is looked for from now on.")
        return _opened(request, manage)
    context = {"registration": registration, "claims": registration.claims.select_related("entry").order_by("pk")[:50]}
    return _private(render(request, "moderation/optout/confirm.html", context))


@never_cache
@require_safe
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The manage link: takes the secret out of the address, as its digest into the session."""
    return _opened(request, secret)


def _opened(request: HttpRequest, secret: str) -> HttpResponse:
    try:
        holder = holder_by_secret(secret=secret)
    except OptOutLinkInvalid:
        _count_wrong(request)
        raise
    if not request.user.is_authenticated:
        request.session.set_expiry(SESSION_SECONDS)
    request.session.cycle_key()
    request.session[LINK] = holder.link_digest
    return _private(redirect("optout_mine"))


def _private(response: HttpResponse) -> HttpResponse:
    # The origin without the path, which is a secret. Without the origin the page's own form would be refused.
    response["Referrer-Policy"] = "strict-origin"
    return response


def _count_wrong(request: HttpRequest) -> None:
    count_or_refuse(what="opt-out-link", who=client_address(request), limit=WRONG_LINKS_AN_HOUR)


@never_cache
@require_http_methods(["GET", "POST"])
def ask_link(request: HttpRequest) -> HttpResponse:
    """Have the link to one's entries sent again."""
    form = LinkForm(*sent_with(request)[:1])
    if request.method == "POST" and form.is_valid():
        try:
            count_or_refuse(what="opt-out-ask", who=client_address(request), limit=WRONG_LINKS_AN_HOUR)
            _count_mail(form.cleaned_data["email"])
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
            return render(request, "moderation/optout/link.html", {"form": form}, status=error.status)
        holder_link_ask(email=form.cleaned_data["email"])
        return redirect("optout_sent")
    return render(request, "moderation/optout/link.html", {"form": form}, status=422 if form.errors else 200)


def _holder(request: HttpRequest) -> OptOutHolder:
    """Whose entries this browser may manage: those of the opened link, else those of the account."""
    digest = request.session.get(LINK, "")
    holder = holder_by_digest(digest=digest) if digest else None
    if holder is None and isinstance(request.user, User):
        holder = holder_of_user(request.user)
    if holder is None:
        raise NotFound(
            "There are no entries of yours to show.",
            remedy="Open the link in your mail, sign in, or ask for a new link on the opt-out page.",
        )
    return holder


def _acting(request: HttpRequest, holder: OptOutHolder) -> User | None:
    """The account that acts; who came by a link has none, and an account that is signed in beside it is not theirs."""
    user = request.user
    return user if isinstance(user, User) and user.pk == holder.user_id else None


@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What one has registered, and how it stands."""
    return render(request, "moderation/optout/mine.html", holder_page(holder=_holder(request)))


@require_POST
def withdraw(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Take an entry back."""
    holder = _holder(request)
    entry = OptOutEntry.objects.filter(public_id=public_id, claims__registration__holder=holder).first()
    if entry is None:
        raise NotFound("There is no such entry of yours.")
    claims_withdraw(holder=holder, entry=entry, actor=_acting(request, holder))
    messages.success(request, "Withdrawn. Unless somebody else registered it too, it is not looked for any more.")
    return redirect("optout_mine")


@require_POST
def erase(request: HttpRequest) -> HttpResponse:
    """Withdraw everything and have all data deleted."""
    holder = _holder(request)
    if request.POST.get("sure") != "yes":
        messages.error(request, "Nothing was deleted: tick the box to say that you are sure.")
        return redirect("optout_mine")
    holder_erase(holder=holder, actor=_acting(request, holder))
    request.session.pop(LINK, None)
    messages.success(request, "Your entries are withdrawn and your data is deleted.")
    return redirect("optout")
