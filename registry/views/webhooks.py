"""Webhooks of an organisation: addresses, their secrets, and the log of what was sent."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Organisation, User
from accounts.permissions import OrganisationPermission
from accounts.selectors import access_organisation
from registry.errors import RegistryError
from registry.forms import TopicsForm, WebhookForm
from registry.models.outbox import WebhookEndpoint
from registry.selectors.paging import page_by_key
from registry.selectors.webhooks import access_delivery, access_endpoint, endpoints_of
from registry.services.webhook_messages import trial_queue
from registry.services.webhooks import (
    message_replay,
    webhook_create,
    webhook_disable,
    webhook_secret_change,
    webhook_topics_set,
)
from registry.views.mine import keys_of, links_of


def _organisation(request: HttpRequest, slug: str) -> Organisation:
    assert isinstance(request.user, User)
    return access_organisation(actor=request.user, slug=slug, permission=OrganisationPermission.ADMINISTER)


def _endpoint(request: HttpRequest, slug: str, public_id: uuid.UUID) -> WebhookEndpoint:
    return access_endpoint(organisation=_organisation(request, slug), public_id=public_id)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def endpoints(request: HttpRequest, slug: str) -> HttpResponse:
    """The addresses; POST registers one and shows its secret, once."""
    assert isinstance(request.user, User)
    organisation = _organisation(request, slug)
    form = WebhookForm(request.POST or None)
    context: dict[str, object] = {"organisation": organisation, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = webhook_create(actor=request.user, organisation=organisation, **form.cleaned_data)
        except RegistryError as error:
            form.add_error("url", f"{error.detail} {error.remedy}")
        else:
            context |= {"made": made, "secret": secret, "form": WebhookForm()}
    context["endpoints"] = endpoints_of(organisation)
    return render(request, "registry/webhooks.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def one(request: HttpRequest, slug: str, public_id: uuid.UUID) -> HttpResponse:
    """One address with the log of what was sent to it."""
    endpoint = _endpoint(request, slug, public_id)
    page = page_by_key(endpoint.deliveries.prefetch_related("log"), by="created_at", **keys_of(request))
    form = TopicsForm(initial={"topics": endpoint.topics})
    context = {"organisation": endpoint.organisation, "endpoint": endpoint, "deliveries": page.rows, "form": form}
    return render(request, "registry/webhook.html", {**context, **links_of(request, page)})


@never_cache
@login_required
@require_POST
def secret(request: HttpRequest, slug: str, public_id: uuid.UUID) -> HttpResponse:
    """A new secret, shown once."""
    assert isinstance(request.user, User)
    endpoint = _endpoint(request, slug, public_id)
    context = {"organisation": endpoint.organisation, "made": endpoint, "form": WebhookForm(), "changed": True}
    context["secret"] = webhook_secret_change(endpoint=endpoint, actor=request.user)
    context["endpoints"] = endpoints_of(endpoint.organisation)
    return render(request, "registry/webhooks.html", context)


@login_required
@require_POST
def topics(request: HttpRequest, slug: str, public_id: uuid.UUID) -> HttpResponse:
    """Choose anew what it is told of."""
    assert isinstance(request.user, User)
    endpoint, form = _endpoint(request, slug, public_id), TopicsForm(request.POST)
    if form.is_valid():
        webhook_topics_set(endpoint=endpoint, actor=request.user, topics=form.cleaned_data["topics"])
        messages.success(request, "From now on it is told of what you chose.")
    else:
        messages.error(request, "Nothing was changed: choose at least one topic, or switch the address off.")
    return redirect("webhook", slug, public_id)


@login_required
@require_POST
def trial(request: HttpRequest, slug: str, public_id: uuid.UUID) -> HttpResponse:
    """Send a message without consequences."""
    trial_queue(_endpoint(request, slug, public_id))
    messages.success(request, "A test message is on its way. Reload in a moment to see what was answered.")
    return redirect("webhook", slug, public_id)


@login_required
@require_POST
def disable(request: HttpRequest, slug: str, public_id: uuid.UUID) -> HttpResponse:
    """Switch an address off."""
    assert isinstance(request.user, User)
    webhook_disable(endpoint=_endpoint(request, slug, public_id), actor=request.user, because="Switched off.")
    messages.success(request, "Nothing is sent there any more.")
    return redirect("webhooks", slug)


@login_required
@require_POST
def replay(request: HttpRequest, slug: str, public_id: uuid.UUID, message: uuid.UUID) -> HttpResponse:
    """Send a message once more."""
    endpoint = _endpoint(request, slug, public_id)
    message_replay(delivery=access_delivery(endpoint=endpoint, public_id=message))
    messages.success(request, "It is sent again, under the same id.")
    return redirect("webhook", slug, public_id)
