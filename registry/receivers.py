"""What the registry does on its own news: one line per handler."""

from typing import Any

from django.dispatch import receiver

from registry.signals import version_submitted, webhook_queued
from registry.tasks import inspect_version, send_webhook


@receiver(version_submitted)
def inspect_submitted(version_id: int, **_: Any) -> None:
    inspect_version.delay(version_id)


@receiver(webhook_queued)
def send_queued_webhook(delivery_id: int, **_: Any) -> None:
    send_webhook.delay(delivery_id)
