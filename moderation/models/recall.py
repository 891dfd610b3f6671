"""Recalls: which versions, why, who holds a receipt for them, and what those people were told and answered."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation, User
from governance.models import DecisionRecord
from moderation.models.consent import Consent
from registry.models import Version


class RecallState(models.TextChoices):
    ISSUED = "issued", "in force"
    LIFTED = "lifted", "lifted"


class Recall(models.Model):
    """Word to everybody who holds a receipt that what they downloaded must not be used any more."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    consent = models.ForeignKey(Consent, null=True, blank=True, on_delete=models.PROTECT, related_name="recalls")
    reason_code = models.CharField(max_length=40)
    public_text = models.TextField()
    what_to_do = models.TextField()
    state = models.CharField(max_length=6, choices=RecallState.choices, default=RecallState.ISSUED)
    issued_at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    lifted_reasoning = models.TextField(blank=True)
    lifted_notes = models.TextField(blank=True)  # for moderators only

    class Meta:
        ordering = ["-issued_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="recall_lifted_says_why",
                condition=Q(state="issued")
                | Q(state="lifted", lifted_at__isnull=False, lifted_by__isnull=False) & ~Q(lifted_reasoning=""),
            )
        ]

    def __str__(self) -> str:
        return f"recall {str(self.public_id)[:8]}"


class RecallVersion(models.Model):
    """One version in a recall. Of one cause a version has one open recall, whoever asks how often."""

    recall = models.ForeignKey(Recall, on_delete=models.PROTECT, related_name="versions")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="recalls")
    cause = models.CharField(max_length=80)
    open = models.BooleanField(default=True)
    state_before = models.CharField(max_length=12)
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["recall", "version"], name="recall_version_once"),
            models.UniqueConstraint(
                fields=["version", "cause"], condition=Q(open=True), name="recall_open_once_per_cause"
            ),
        ]


class NoticeKind(models.TextChoices):
    ISSUED = "issued", "recall"
    LIFTED = "lifted", "recall lifted"


class RecallNotice(models.Model):
    """What one holder of receipts is told about one recall: a person, or the organisation they downloaded for."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    recall = models.ForeignKey(Recall, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=6, choices=NoticeKind.choices, default=NoticeKind.ISSUED)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="recall_notices")
    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="recall_notices"
    )
    created_at = models.DateTimeField(default=timezone.now)
    handed_out_at = models.DateTimeField(null=True, blank=True)  # its letters and webhook messages are queued
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="notice_has_exactly_one_holder",
                condition=Q(user__isnull=False, organisation__isnull=True)
                | Q(user__isnull=True, organisation__isnull=False),
            ),
            models.UniqueConstraint(fields=["recall", "kind", "user"], name="notice_once_per_user"),
            models.UniqueConstraint(fields=["recall", "kind", "organisation"], name="notice_once_per_organisation"),
        ]
        indexes = [models.Index(fields=["created_at"], name="notice_waiting", condition=Q(handed_out_at=None))]
