"""Webhooks of an organisation and the log of what was sent to them."""

import uuid

from django.db.models import QuerySet

from accounts.errors import NotFound
from accounts.models import Organisation
from registry.models.outbox import WebhookDelivery, WebhookEndpoint


def endpoints_of(organisation: Organisation) -> QuerySet[WebhookEndpoint]:
    """Its endpoints, those in use first."""
    return WebhookEndpoint.objects.filter(organisation=organisation).order_by("disabled_at", "created_at", "pk")


def access_endpoint(*, organisation: Organisation, public_id: uuid.UUID) -> WebhookEndpoint:
    """An endpoint of this organisation; raises NotFound."""
    endpoint = endpoints_of(organisation).select_related("organisation__namespace").filter(public_id=public_id).first()
    if endpoint is None:
        raise NotFound("There is no such webhook.")
    return endpoint


def access_delivery(*, endpoint: WebhookEndpoint, public_id: uuid.UUID) -> WebhookDelivery:
    """A message to this endpoint; raises NotFound."""
    delivery = endpoint.deliveries.filter(public_id=public_id).first()
    if delivery is None:
        raise NotFound("There is no such message.")
    return delivery
