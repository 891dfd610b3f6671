"""Likeness protection for the people concerned: enrol, see what is kept, withdraw; with an account or by a link."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.throttling import client_address
from moderation.errors import EnrolmentRefused, IdentityLinkInvalid
from moderation.forms.likeness import EnrolmentForm, PicturesForm
from moderation.likeness_consent import current_consent
from moderation.models import DeletionProof, DeletionVia, IdentityLink, IdentityStatus, ProtectedIdentity
from moderation.selectors.likeness import access_identity, identities_of, identity_page, with_standing
from moderation.services.enrolment import FACE_SIZE, PicturesSent, pictures_receive
from moderation.services.likeness import (
    identity_accept,
    identity_enrol,
    identity_withdraw,
    link_digest,
    link_open,
    templates_delete,
)
from moderation.throttling import count_or_refuse

KEYS = "likeness-links"  # in the session: identity → digest of the link that was opened
INVITED = "invited"  # in there: the digest of an invitation that was opened
NEW_LINK = "likeness-new-link"  # in the session until it was shown, once
SESSION_SECONDS = 3600
WRONG_LINKS_AN_HOUR = 30
SENDINGS_AN_HOUR = 10  # of further photographs for one identity
DAY = 24 * 3600  # seconds


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What the protection does and does not do, and one's own identities."""
    mine = identities_of(request.user) if isinstance(request.user, User) else ()
    return render(
        request, "moderation/likeness/home.html", {"identities": with_standing(mine), "consent": current_consent()}
    )


@login_required
@require_http_methods(["GET", "POST"])
def enrol(request: HttpRequest) -> HttpResponse:
    """Enrol a face with one's account."""
    assert isinstance(request.user, User)
    form = EnrolmentForm(request.POST or None, request.FILES or None, text=current_consent(), has_account=True)
    if request.method == "POST" and form.is_valid():
        try:
            sent = PicturesSent.read([file.read() for file in form.cleaned_data["pictures"]])
            limit = settings.LIKENESS_ENROLMENTS_PER_DAY
            count_or_refuse(what="likeness", who=str(request.user.pk), limit=limit, window=DAY)
            identity = identity_enrol(user=request.user, **form.given())
            pictures_receive(identity=identity, pictures=sent)
        except EnrolmentRefused as error:
            form.add_error("pictures", f"{error.detail} {error.remedy}")
        else:
            return redirect("identity", identity.public_id)
    return render(request, "moderation/likeness/enrol.html", {"form": form, "consent": current_consent()})


@never_cache
@require_safe
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Takes the secret out of the address, as its digest into the session, and goes on to the page that it opens."""
    try:
        link = link_open(digest=link_digest(secret))
    except IdentityLinkInvalid:
        count_or_refuse(what="likeness-link", who=client_address(request), limit=WRONG_LINKS_AN_HOUR)
        raise
    if not request.user.is_authenticated:
        request.session.set_expiry(SESSION_SECONDS)
    request.session.cycle_key()
    enrols = link.purpose == IdentityLink.Purpose.ENROL
    _remember(request, INVITED if enrols else str(link.identity.public_id), link.digest)
    response = redirect("identity_accept") if enrols else redirect("identity", link.identity.public_id)
    response["Referrer-Policy"] = "no-referrer"
    return response


@never_cache
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest) -> HttpResponse:
    """Enrol without an account, by an invitation that was opened."""
    digest = request.session.get(KEYS, {}).get(INVITED, "")
    link = link_open(digest=digest, purpose=IdentityLink.Purpose.ENROL)
    form = EnrolmentForm(
        request.POST or None,
        request.FILES or None,
        text=current_consent(),
        has_account=False,
        initial={"name": link.identity.name},
    )
    if request.method == "POST" and form.is_valid():
        try:
            sent = PicturesSent.read([file.read() for file in form.cleaned_data["pictures"]])
            identity, secret = identity_accept(digest=digest, **form.given())
            pictures_receive(identity=identity, pictures=sent)
        except EnrolmentRefused as error:
            form.add_error("pictures", f"{error.detail} {error.remedy}")
        else:
            _remember(request, str(identity.public_id), link_digest(secret))
            request.session[NEW_LINK] = secret
            return redirect("identity", identity.public_id)
    return render(request, "moderation/likeness/enrol.html", {"form": form, "consent": current_consent()})


@never_cache
@require_safe
def identity(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What is kept of this identity, and every deletion, checked as the page is asked for."""
    found, _ = _access(request, public_id)
    context = _shown(found, PicturesForm())
    if request.headers.get("HX-Request"):
        return render(request, "moderation/likeness/_status.html", context)
    secret = request.session.pop(NEW_LINK, "")
    if secret:
        context["link"] = f"{settings.PUBLIC_URL}/likeness/link/{secret}"
    return render(request, "moderation/likeness/identity.html", context)


@never_cache
@require_POST
def pictures(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Send further pictures."""
    found, _ = _access(request, public_id)
    count_or_refuse(what="likeness-pictures", who=str(public_id), limit=SENDINGS_AN_HOUR)
    form = PicturesForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            sent = PicturesSent.read([file.read() for file in form.cleaned_data["pictures"]])
            pictures_receive(identity=found, pictures=sent)
        except EnrolmentRefused as error:
            form.add_error("pictures", f"{error.detail} {error.remedy}")
        else:
            return redirect("identity", public_id)
    return render(request, "moderation/likeness/identity.html", _shown(found, form), status=422)


def _shown(found: ProtectedIdentity, form: PicturesForm) -> dict[str, object]:
    return {"page": identity_page(identity=found), "form": form, "face_size": FACE_SIZE}


@never_cache
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Delete the templates, and enrol again later if one likes."""
    found, via = _access(request, public_id)
    if request.method == "POST":
        return _deleted(request, templates_delete(identity=found, via=via, actor=_account(request)))
    return _confirm(request, found, ends=False)


@never_cache
@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Take the consent back."""
    found, via = _access(request, public_id)
    if request.method == "POST":
        return _deleted(request, identity_withdraw(identity=found, via=via, actor=_account(request)))
    return _confirm(request, found, ends=True)


def _confirm(request: HttpRequest, found: ProtectedIdentity, *, ends: bool) -> HttpResponse:
    context = {"identity": found, "ends": ends, "gone": found.status == IdentityStatus.WITHDRAWN}
    return render(request, "moderation/likeness/remove.html", context)


def _deleted(request: HttpRequest, proof: DeletionProof) -> HttpResponse:
    what = "1 template and the key that read it" if proof.count == 1 else f"{proof.count} templates and their key"
    messages.success(request, f"Deleted: {what}.")
    return redirect("identity", proof.identity_ref)


def _access(request: HttpRequest, public_id: uuid.UUID) -> tuple[ProtectedIdentity, DeletionVia]:
    digest = request.session.get(KEYS, {}).get(str(public_id), "")
    found = access_identity(actor=request.user, public_id=public_id, link_digest=digest)
    return found, DeletionVia.ACCOUNT if found.user_id and found.user_id == request.user.pk else DeletionVia.LINK


def _account(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _remember(request: HttpRequest, name: str, digest: str) -> None:
    request.session[KEYS] = {**request.session.get(KEYS, {}), name: digest}
