"""Preview jobs: what a worker renders for a version, and how far it is."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from governance.models import DecisionRecord
from inference.states import UNFINISHED, JobState
from registry.models import Version


class PreviewJob(models.Model):
    """One rendering of a version's previews. This row is the truth; the broker's message only wakes a worker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="preview_jobs")
    state = models.CharField(max_length=10, default=JobState.QUEUED)
    problem = models.JSONField(default=dict, blank=True)  # what, why, remedy of a failure or a skip
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    pictures_done = models.PositiveIntegerField(default=0)
    pictures_total = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)  # of the picture in work
    steps = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)  # who holds the job; a late worker finds another's
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="preview_state_known", condition=Q(state__in=[state.value for state in JobState])
            ),
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(state__in=[state.value for state in UNFINISHED]),
                name="one_unfinished_preview_per_version",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                name="preview_unfinished",
                condition=Q(state__in=[state.value for state in UNFINISHED]),
            )
        ]

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1."""
        if not self.pictures_total:
            return 0.0
        current = self.step / self.steps if self.steps else 0.0
        return min((self.pictures_done + current) / self.pictures_total, 1.0)

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED


class PreviewFacts(models.Model):
    """What was measured on the pictures of a finished job: colour differences, and adapters of like weights.

    The differences are ΔE*ab as `inference.effects` gives them; null where the job had no pictures for one.
    """

    job = models.OneToOneField(PreviewJob, on_delete=models.CASCADE, primary_key=True, related_name="facts")
    curve = models.JSONField(default=list)  # pairs of strength and change against the base alone
    reference = models.FloatField()  # the strength of the rest
    change = models.FloatField(null=True)
    with_trigger = models.FloatField(null=True)
    without_trigger = models.FloatField(null=True)
    diversity = models.FloatField(null=True)
    base_diversity = models.FloatField(null=True)
    alike = models.JSONField(default=list)  # pairs of a version's id and the likeness of its weights, the nearest first
    measured_at = models.DateTimeField(default=timezone.now)
