"""Webhook endpoints of organisations: registered, their secrets changed, switched off; messages sent and sent again."""

import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Organisation, User
from governance.services import audit_append, audited
from registry.errors import WebhookRefused
from registry.models.outbox import OutState, Topic, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from registry.outbound import AddressForbidden, Answer, NotDelivered, post, target_of
from registry.sealing import seal, unseal
from registry.services.outbox import again_later, claim, finish
from registry.signals import webhook_queued
from registry.webhook_signing import headers, secret_create

SECRET_CONTEXT = "moderation.webhook.secret"  # noqa: S105 (no password); stays as it is: sealed secrets are bound to it
GONE = 410  # Standard Webhooks: the receiver wants no more
FORMER_LIFETIME = timedelta(hours=24)  # how long a changed secret still signs beside the new one
ENDPOINTS_MAX = 10


def webhook_create(
    *, actor: User, organisation: Organisation, url: str, topics: Sequence[str] = tuple(Topic.values)
) -> tuple[WebhookEndpoint, str]:
    """Register an address; the secret is shown once. Raises WebhookRefused for an address that may not be sent to."""
    try:
        target_of(url)
    except (AddressForbidden, NotDelivered) as error:
        raise WebhookRefused(str(error)) from error
    with audited():
        return _create(actor, organisation, url, topics)


def _create(actor: User, organisation: Organisation, url: str, topics: Sequence[str]) -> tuple[WebhookEndpoint, str]:
    if organisation.webhooks.filter(disabled_at=None).count() >= ENDPOINTS_MAX:
        raise WebhookRefused(f"{ENDPOINTS_MAX} addresses are registered.", remedy="Switch one off first.")
    secret = secret_create()
    try:
        with transaction.atomic():
            endpoint = WebhookEndpoint.objects.create(
                organisation=organisation,
                url=url,
                topics=_topics(topics),
                secret_sealed=_sealed(secret),
                created_by=actor,
            )
    except IntegrityError as error:
        raise WebhookRefused("This address is registered already.", remedy="Use the one there is.") from error
    _log(actor, "webhook.created", endpoint)
    return endpoint, secret


@audited()
def webhook_topics_set(*, endpoint: WebhookEndpoint, actor: User, topics: Sequence[str]) -> None:
    """Choose anew what an endpoint is told of; what is queued already goes out."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(topics=_topics(topics))
    _log(actor, "webhook.topics-set", endpoint)


def _topics(chosen: Sequence[str]) -> list[str]:
    return [topic for topic in Topic.values if topic in chosen]


@audited()
def webhook_secret_change(*, endpoint: WebhookEndpoint, actor: User) -> str:
    """A new secret, shown once; the former one signs beside it for a day, so that receivers can change over."""
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    secret = secret_create()
    locked.former_secret_sealed, locked.former_until = locked.secret_sealed, timezone.now() + FORMER_LIFETIME
    locked.secret_sealed = _sealed(secret)
    locked.save(update_fields=["secret_sealed", "former_secret_sealed", "former_until"])
    _log(actor, "webhook.secret-changed", locked)
    return secret


@audited()
def webhook_disable(*, endpoint: WebhookEndpoint, actor: User | None, because: str) -> None:
    """Switch an endpoint off; what still waits for it is dropped."""
    now = timezone.now()
    live = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at=None)
    if live.update(disabled_at=now, disabled_because=because):
        endpoint.deliveries.filter(state=OutState.QUEUED).update(state=OutState.DROPPED, finished_at=now)
        _log(actor, "webhook.disabled", endpoint)


def _log(actor: User | None, action: str, endpoint: WebhookEndpoint) -> None:
    data = {"organisation": endpoint.organisation_id}
    audit_append(actor=actor, action=action, subject=("moderation.webhook", str(endpoint.public_id)), data=data)


def _sealed(secret: str) -> bytes:
    return seal(secret.encode(), context=SECRET_CONTEXT)


def secrets_in_force(endpoint: WebhookEndpoint) -> list[str]:
    """The secret, and the former one while it still signs."""
    sealed = [endpoint.secret_sealed]
    if endpoint.former_secret_sealed and endpoint.former_until and endpoint.former_until > timezone.now():
        sealed.append(endpoint.former_secret_sealed)
    return [unseal(bytes(one), context=SECRET_CONTEXT).decode() for one in sealed]


def message_replay(*, delivery: WebhookDelivery) -> None:
    """Send a message once more, under its own id; while it waits or is under way, nothing changes."""
    finished = WebhookDelivery.objects.filter(pk=delivery.pk, endpoint__disabled_at=None).exclude(state=OutState.QUEUED)
    again = finished.update(state=OutState.QUEUED, attempts=0, next_at=timezone.now(), finished_at=None, problem="")
    if again:
        transaction.on_commit(lambda: webhook_queued.send(sender=WebhookDelivery, delivery_id=delivery.pk), robust=True)


def message_send(*, delivery_id: int) -> None:
    """Send a message; safe to call at any time by anybody. Only a status of 2xx counts as delivered."""
    row = claim(WebhookDelivery, delivery_id)
    if row is None:
        return
    endpoint = WebhookEndpoint.objects.select_related("organisation").get(pk=row.endpoint_id)
    if endpoint.disabled_at is not None:
        finish(row, OutState.DROPPED, "The endpoint is switched off.")
        return
    try:
        answer = _post(row, endpoint)
    except (AddressForbidden, NotDelivered) as error:
        WebhookAttempt.objects.create(delivery=row, problem=str(error)[:300])
        again_later(row, str(error))
        return
    _settle(row, endpoint, answer)


def _post(row: WebhookDelivery, endpoint: WebhookEndpoint) -> Answer:
    body = row.body.encode()
    signed = headers(
        secrets_in_force=secrets_in_force(endpoint),
        message_id=f"msg_{row.public_id}",
        timestamp=int(time.time()),
        body=body,
    )
    return post(endpoint.url, body=body, headers={**signed, "Content-Type": "application/json"})


def _settle(row: WebhookDelivery, endpoint: WebhookEndpoint, answer: Answer) -> None:
    WebhookAttempt.objects.create(
        delivery=row, status=answer.status, answer=answer.text[:500], milliseconds=answer.milliseconds
    )
    if 200 <= answer.status < 300:
        finish(row, OutState.SENT)
    elif answer.status == GONE:
        finish(row, OutState.FAILED, "The receiver answered 410 Gone.")
        webhook_disable(endpoint=endpoint, actor=None, because="The receiver answered 410 Gone.")
    else:
        again_later(row, f"The receiver answered {answer.status}.")
