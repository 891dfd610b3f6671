"""Background work of the set-up itself: clearing what the broker in files leaves behind."""

import time
from contextlib import suppress

from celery import shared_task
from django.conf import settings

KEPT_SECONDS = 3600


@shared_task(soft_time_limit=240, time_limit=300)
def clear_broker() -> None:
    """Remove messages that were taken an hour ago: that broker keeps every one, tens of thousands a day.

    Where another broker is used, there are none, or those of the time before it.
    """
    old = time.time() - KEPT_SECONDS
    for path in (settings.BROKER_DIR / "processed").glob("*.msg"):
        with suppress(FileNotFoundError):  # another worker was faster
            if path.stat().st_mtime < old:
                path.unlink()
