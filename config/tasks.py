"""Background work of the set-up itself: clearing what the broker in files leaves behind."""

import time
from contextlib import suppress
from pathlib import Path

from celery import shared_task
from django.conf import settings

KEPT_SECONDS = 3600


@shared_task(soft_time_limit=240, time_limit=300)
def clear_broker() -> None:
    """Remove messages that were taken an hour ago: that broker keeps every one, tens of thousands a day."""
    folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("processed_folder")
    if folder is None:
        return
    old = time.time() - KEPT_SECONDS
    for path in Path(str(folder)).glob("*.msg"):
        with suppress(FileNotFoundError):  # another worker was faster
            if path.stat().st_mtime < old:
                path.unlink()
