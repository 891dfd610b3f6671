"""Background work over a dataset: taking in what was uploaded, screening, captioning. The row is the truth."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from training.models.datasets import Dataset


class DatasetWork(models.TextChoices):
    IMPORT = "import", "Taking in what was uploaded"
    SCREEN = "screen", "Checks"
    CAPTION = "caption", "Writing captions"


class WorkState(models.TextChoices):
    QUEUED = "queued", "waits"
    RUNNING = "running", "runs"
    DONE = "done", "done"
    FAILED = "failed", "failed"


WORK_UNFINISHED = [WorkState.QUEUED.value, WorkState.RUNNING.value]


class DatasetJob(models.Model):
    """One piece of work, leased to one worker at a time; the sweep hands it out again when that one is gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=7, choices=DatasetWork.choices)
    state = models.CharField(max_length=7, choices=WorkState.choices, default=WorkState.QUEUED)
    asked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    params = models.JSONField(default=dict, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    problem = models.JSONField(default=dict, blank=True)  # what, why, remedy: why it failed
    remarks = models.JSONField(default=list, blank=True)  # of what was not taken: path, what, remedy
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(name="dataset_job_state_known", condition=Q(state__in=WorkState.values)),
            models.CheckConstraint(name="dataset_job_kind_known", condition=Q(kind__in=DatasetWork.values)),
            models.UniqueConstraint(
                fields=["dataset", "kind"],
                condition=Q(state__in=WORK_UNFINISHED) & ~Q(kind="import"),
                name="one_unfinished_dataset_job",
            ),
        ]
        indexes = [
            models.Index(fields=["lease_until"], name="dataset_job_unfinished", condition=Q(state__in=WORK_UNFINISHED))
        ]

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0
