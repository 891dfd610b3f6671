"""Alarms: what was found in a private dataset that moderators have to look at by a certain time."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from training.models.datasets import Dataset


class AlarmOutcome(models.TextChoices):
    CONFIRMED = "confirmed", "it is what it seemed to be"
    UNFOUNDED = "unfounded", "it is not"


class DatasetAlarm(models.Model):
    """A grave finding about one picture. Cases are about versions, and of a dataset there may never be one."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="alarms")
    picture = models.UUIDField()  # its public id
    code = models.CharField(max_length=60)
    opened_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    escalation = models.PositiveSmallIntegerField(default=0)  # letters that were written since, as with cases
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=9, choices=AlarmOutcome.choices, blank=True)
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["picture", "code"], name="dataset_alarm_once"),
            models.CheckConstraint(
                name="dataset_alarm_closed_with_outcome",
                condition=Q(closed_at=None, outcome="", closed_by=None)
                | Q(closed_at__isnull=False, outcome__in=AlarmOutcome.values, closed_by__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="dataset_alarm_open", condition=Q(closed_at=None))]
