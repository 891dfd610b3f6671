"""Background work of the registry: inspection, and the sweeps that heal what was lost."""

from celery import shared_task
from django.db import OperationalError

from registry.models.outbox import WebhookDelivery
from registry.services.inspection import inspections_due, version_inspect
from registry.services.outbox import due
from registry.services.uploads import uploads_expire
from registry.services.webhooks import message_send
from registry.services.xet_sessions import sessions_expire


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=1500,
    time_limit=1600,
)
def inspect_version(version_id: int) -> None:
    version_inspect(version_id=version_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_inspections() -> None:
    """Hand out again what waits for a worker or whose worker is gone."""
    for version_id in inspections_due():
        inspect_version.delay(version_id)


@shared_task(soft_time_limit=280, time_limit=300)
def sweep_uploads() -> None:
    uploads_expire()
    sessions_expire()


@shared_task(soft_time_limit=50, time_limit=60)
def send_webhook(delivery_id: int) -> None:
    message_send(delivery_id=delivery_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_webhooks() -> None:
    """Hand out again the messages that wait for their time, or whose worker is gone."""
    for delivery_id in due(WebhookDelivery):
        send_webhook.delay(delivery_id)
