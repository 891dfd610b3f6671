"""Alarms about private pictures: raised once, written to moderators as their time runs, closed by a decision on record.

The picture itself is refused from the first moment and stays so, whatever is decided; its dataset cannot be trained on.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from governance.services import audit_append, audited
from moderation.services.clocks import STEPS
from moderation.services.post import moderators_write
from training.models import AlarmOutcome, DatasetAlarm, DatasetPicture
from training.services.datasets import SUBJECT

YOUTH = "youth-sexual"
KIND = "minors"  # the kind of case whose time it has


def alarm_raise(*, picture: DatasetPicture) -> bool:
    """Raise the alarm about a picture that has such a finding; False where it was raised before.

    Inside the caller's `audited` transaction.
    """
    if not any(found["code"] == YOUTH for found in picture.findings):
        return False
    due = timezone.now() + timedelta(hours=settings.CASE_HOURS[KIND])
    alarm, raised = DatasetAlarm.objects.get_or_create(
        picture=picture.public_id, code=YOUTH, defaults={"dataset": picture.dataset, "due_at": due}
    )
    if raised:
        audit_append(actor=None, action="dataset.alarm-raised", subject=_subject(alarm), data=_data(alarm))
        _write(alarm)
    return raised


def alarms_escalating(now: datetime | None = None) -> list[DatasetAlarm]:
    """Open alarms whose clock has passed a step, as that of cases, that was not taken."""
    now = now or timezone.now()
    waiting = DatasetAlarm.objects.filter(closed_at=None, escalation__lt=len(STEPS)).order_by("due_at")
    return [alarm for alarm in waiting if _step(alarm, now) > alarm.escalation]


def _step(alarm: DatasetAlarm, now: datetime) -> int:
    whole = alarm.due_at - alarm.opened_at
    return sum(now >= alarm.opened_at + whole * share for share in STEPS)


@audited()
def alarm_escalate(*, alarm: DatasetAlarm, now: datetime | None = None) -> bool:
    """Write to the moderators once more; False where somebody did so, or has decided meanwhile."""
    locked = DatasetAlarm.objects.select_for_update(no_key=True).select_related("dataset").get(pk=alarm.pk)
    step = _step(locked, now or timezone.now())
    if locked.closed_at is not None or step <= locked.escalation:
        return False
    locked.escalation = step
    locked.save(update_fields=["escalation"])
    _write(locked)
    return True


def alarm_close(*, picture: DatasetPicture, actor: User, allow: bool, record: DecisionRecord) -> bool:
    """A moderator has decided about the picture; False where no alarm was open. Inside the caller's transaction."""
    alarm = (
        DatasetAlarm.objects.select_for_update(no_key=True).filter(picture=picture.public_id, closed_at=None).first()
    )
    if alarm is None:
        return False
    alarm.outcome = AlarmOutcome.UNFOUNDED if allow else AlarmOutcome.CONFIRMED
    alarm.closed_at, alarm.closed_by, alarm.decision = timezone.now(), actor, record
    alarm.save(update_fields=["outcome", "closed_at", "closed_by", "decision"])
    data = {**_data(alarm), "outcome": alarm.outcome}
    audit_append(actor=actor, action="dataset.alarm-closed", subject=_subject(alarm), data=data)
    return True


def _write(alarm: DatasetAlarm) -> None:
    moderators_write(
        key=f"dataset-alarm:{alarm.public_id}:{alarm.escalation}",
        subject="A picture in a private dataset waits for your decision",
        template="dataset_alarm.txt",
        context={
            "alarm": alarm,
            "url": settings.PUBLIC_URL + reverse("dataset_picture", args=[alarm.picture]),
        },
    )


def _subject(alarm: DatasetAlarm) -> tuple[str, str]:
    return SUBJECT, str(alarm.dataset_id)


def _data(alarm: DatasetAlarm) -> dict[str, Any]:
    return {"alarm": str(alarm.public_id), "picture": str(alarm.picture), "code": alarm.code}
