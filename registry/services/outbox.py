"""Claiming, finishing and repeating what goes out: one rule for messages to webhooks, and for all letters."""

import uuid
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from registry.models.outbox import Outgoing, OutState

T = TypeVar("T", bound=Outgoing)
SWEEP = 200  # rows that one sweep hands out again
# Seconds after which a delivery that failed is tried again, as Standard Webhooks proposes them; then it is given up.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


def claim(model: type[T], pk: int) -> T | None:
    """The row for this worker alone; None when another holds it, when its time has not come, or it is done."""
    now = timezone.now()
    token = uuid.uuid4()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = model._default_manager.filter(free, pk=pk, state=OutState.QUEUED, next_at__lte=now).update(
        lease_token=token, lease_until=now + settings.OUTBOX_LEASE, attempts=F("attempts") + 1
    )
    if not claimed:
        return None
    row = model._default_manager.get(pk=pk)
    if row.attempts > len(PAUSES) + 1:  # its worker died or broke off over it each time
        finish(row, OutState.FAILED, row.problem or "It broke off each time it was tried.")
        return None
    return row


def finish(row: Outgoing, state: OutState, problem: str = "") -> bool:
    """End the row, unless another worker holds it by now."""
    return _release(row, state=state, problem=problem[:300], finished_at=timezone.now())


def again_later(row: Outgoing, problem: str) -> bool:
    """After a failure: try again after a pause that grows with each, and give up after the last."""
    if row.attempts > len(PAUSES):
        return finish(row, OutState.FAILED, problem)
    pause = timedelta(seconds=PAUSES[row.attempts - 1])
    return _release(row, problem=problem[:300], next_at=timezone.now() + pause)


def _release(row: Outgoing, **changes: object) -> bool:
    held = type(row)._default_manager.filter(pk=row.pk, lease_token=row.lease_token, state=OutState.QUEUED)
    return bool(held.update(lease_token=None, lease_until=None, **changes))


def due(model: type[T]) -> list[int]:
    """Rows whose time has come and that nobody holds, oldest first."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    waiting = model._default_manager.filter(free, state=OutState.QUEUED, next_at__lte=now)
    return list(waiting.order_by("next_at", "pk").values_list("pk", flat=True)[:SWEEP])
