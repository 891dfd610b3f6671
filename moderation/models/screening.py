"""The screening of a version: its checks one by one, the matches that a moderator compares, its fingerprint."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from registry.models import Version


class Round(models.TextChoices):
    INTAKE = "intake", "before the decision"
    PICTURES = "pictures", "changes that came later"
    REGISTER = "register", "new entries of the register"


class ScreeningState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"


class CheckState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    PASSED = "passed", "passed"
    FLAGGED = "flagged", "flagged"
    FAILED = "failed", "failed"
    SKIPPED = "skipped", "skipped"


UNFINISHED = [ScreeningState.QUEUED.value, ScreeningState.RUNNING.value]


class Screening(models.Model):
    """One run of the checks over a version. This row is the truth; the broker's message only wakes a worker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="screenings")
    round = models.CharField(max_length=8, choices=Round.choices)
    state = models.CharField(max_length=7, choices=ScreeningState.choices, default=ScreeningState.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)  # who holds it; a late worker finds another's
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(name="screening_state_known", condition=Q(state__in=ScreeningState.values)),
            models.CheckConstraint(name="screening_round_known", condition=Q(round__in=Round.values)),
            models.UniqueConstraint(
                fields=["version", "round"],
                condition=Q(state__in=UNFINISHED),
                name="one_unfinished_screening_per_round",
            ),
        ]
        indexes = [models.Index(fields=["lease_until"], name="screening_unfinished", condition=Q(state__in=UNFINISHED))]


class ScreeningCheck(models.Model):
    """One check of a screening: how it ended, in words for the uploader, and notes that only moderators read."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="checks")
    name = models.CharField(max_length=20)
    place = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=CheckState.choices, default=CheckState.QUEUED)
    summary = models.TextField(blank=True)
    notes = models.TextField(blank=True)
    codes = models.JSONField(default=list, blank=True)  # of its findings
    attempts = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["screening", "name"], name="check_once_per_screening"),
            models.CheckConstraint(name="check_state_known", condition=Q(state__in=CheckState.values)),
        ]
        indexes = [models.Index(fields=["name", "state"], name="check_by_outcome")]


class PictureMatch(models.Model):
    """A picture of a version beside what it resembles, for the eye of a moderator."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    check_row = models.ForeignKey(ScreeningCheck, on_delete=models.CASCADE, related_name="matches")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="picture_matches")
    picture = models.CharField(max_length=60)  # sample:<uuid> or image:<uuid>
    against = models.CharField(max_length=60)  # work:<uuid>, identity:<uuid>, block:<id> or version:<id>
    caption = models.CharField(max_length=300)
    score = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]


class WeightFingerprint(models.Model):
    """What an adapter's weights do, in a vector that survives conversion and rescaling."""

    version = models.OneToOneField(Version, on_delete=models.PROTECT, related_name="fingerprint")
    method = models.PositiveIntegerField()  # the method's number: only equal ones compare
    vector = models.BinaryField()
    modules = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
