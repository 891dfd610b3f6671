"""Protected identities for moderators: the list, invitations, verification and lost links; no template, no address."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from moderation.forms.likeness import InvitationForm
from moderation.models import ProtectedIdentity
from moderation.selectors.likeness import access_identity_as_moderator, identities_for_moderators, with_standing
from moderation.selectors.review import require_moderator
from moderation.services.likeness import identity_invite, identity_verify, manage_link_renew
from registry.selectors.paging import page_by_key
from registry.views.mine import keys_of, links_of


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def identities(request: HttpRequest) -> HttpResponse:
    """The list; POST invites somebody, and shows the link of the invitation once."""
    moderator = require_moderator(request.user)
    form = InvitationForm(request.POST or None)
    context: dict[str, object] = {}
    if request.method == "POST" and form.is_valid():
        _, secret = identity_invite(moderator=moderator, **form.cleaned_data)
        context |= {"link": _address(secret), "days": settings.LIKENESS_INVITATION.days}
        form = InvitationForm()
    page = page_by_key(identities_for_moderators(), by="created_at", **keys_of(request))
    context |= {"form": form, "identities": with_standing(page.rows), **links_of(request, page)}
    return render(request, "moderation/likeness/identities.html", context)


@login_required
@require_POST
def verify(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Who enrolled has shown that they may."""
    moderator = require_moderator(request.user)
    identity_verify(identity=_found(public_id), moderator=moderator)
    messages.success(request, "Verified. Whoever looks at a match with this identity sees it.")
    return redirect("identities")


@login_required
@never_cache
@require_POST
def link(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """A new personal link for somebody who lost theirs, shown once."""
    moderator = require_moderator(request.user)
    secret = manage_link_renew(identity=_found(public_id), moderator=moderator)
    page = page_by_key(identities_for_moderators(), by="created_at", before="", after="")
    context = {"form": InvitationForm(), "identities": with_standing(page.rows), "link": _address(secret), "days": None}
    return render(request, "moderation/likeness/identities.html", context | links_of(request, page))


def _found(public_id: uuid.UUID) -> ProtectedIdentity:
    return access_identity_as_moderator(public_id=public_id)


def _address(secret: str) -> str:
    return f"{settings.PUBLIC_URL}/likeness/link/{secret}"
