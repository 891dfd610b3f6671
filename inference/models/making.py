"""Making new files from adapters: the job, what goes into it, and other forms of a version's file."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace, Organisation, User
from governance.models import DecisionRecord
from inference.states import UNFINISHED, JobState
from registry.models import BaseModel, Receipt, Upload, Version, VersionFile


class Making(models.TextChoices):
    """What a job makes."""

    MERGE = "merge", "Merge"
    EXTRACT = "extract", "Extraction"
    CHECKPOINT = "checkpoint", "Merged base model"
    COMPARE = "compare", "Conflict report"
    FORM = "form", "Other form of a file"


class MakingJob(models.Model):
    """One piece of work on adapters for a GPU worker; its truth is this row.

    A merge and an extraction end in a draft version, a merged base model in a file for its owner alone, a comparison
    in the report, a form in a file for whoever holds a receipt of the version.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Making.choices)
    state = models.CharField(max_length=10, default=JobState.QUEUED)
    problem = models.JSONField(default=dict, blank=True)  # what, why, remedy
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(Namespace, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    adapter_name = models.CharField(max_length=60, blank=True)
    title = models.CharField(max_length=120, blank=True)
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    recipe = models.JSONField(default=dict)  # method, rank, …: what the worker is told
    licence_id = models.CharField(max_length=80, blank=True)  # computed from all that goes in
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    report = models.JSONField(default=dict, blank=True)  # errors of the layers, what was left out, the conflicts
    version = models.ForeignKey(Version, null=True, blank=True, on_delete=models.PROTECT, related_name="made_by")
    upload = models.ForeignKey(Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    storage_key = models.CharField(max_length=300, blank=True)
    filename = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    stage = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="making_state_known",
                condition=Q(state__in=["queued", "running", "done", "failed", "cancelled"]),
            ),
            models.CheckConstraint(name="making_kind_known", condition=Q(kind__in=Making.values)),
            # Nothing is made of anybody's work without a decision on record.
            models.CheckConstraint(
                name="making_decided",
                condition=~Q(kind__in=[Making.MERGE, Making.EXTRACT, Making.CHECKPOINT]) | Q(decision__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["created_by", "-created_at"], name="making_mine"),
            models.Index(
                fields=["lease_until"], name="making_unfinished", condition=Q(state__in=["queued", "running"])
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.get_kind_display()

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def is_kept(self) -> bool:
        """Whether its file is still there."""
        return bool(self.storage_key) and self.state == JobState.DONE

    @property
    def kept_until(self) -> object:
        return self.finished_at + settings.MADE_FILES_LIFETIME if self.finished_at else None


class MakingPart(models.Model):
    """A version that goes into a job, how strongly, and the receipt under which its maker took it."""

    job = models.ForeignKey(MakingJob, on_delete=models.CASCADE, related_name="parts")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    weight = models.FloatField(default=1.0)
    receipt = models.ForeignKey(Receipt, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "version"], name="making_part_once"),
            models.CheckConstraint(name="making_weight_sensible", condition=Q(weight__gte=-4) & Q(weight__lte=4)),
        ]


class FileForm(models.Model):
    """A version's file in another layout, number type or rank; made once, handed out under anybody's receipt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    file = models.ForeignKey(VersionFile, on_delete=models.PROTECT, related_name="forms")
    options = models.JSONField()
    digest = models.CharField(max_length=64)  # SHA-256 of the options as canonical JSON
    job = models.ForeignKey(MakingJob, on_delete=models.CASCADE, related_name="forms")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "digest"], name="form_once")]
