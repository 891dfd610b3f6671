"""What people ask the models for: a generation, the adapters in it, its pictures, and batches of generations."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from inference.generation_states import DRAWN_NEXT, UNFINISHED, GenerationState, PictureState
from registry.models import BaseModel, SamplePicture, Version


class GenerationBatch(models.Model):
    """Generations that came in one file or one call."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="generation_batches")
    name = models.CharField(max_length=120, blank=True)  # of the file
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or f"batch {str(self.pk)[:8]}"


class Generation(models.Model):
    """One request: a prompt with its settings, and one picture or a whole grid of them. Only its user sees it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="generations")
    batch = models.ForeignKey(
        GenerationBatch, null=True, blank=True, on_delete=models.CASCADE, related_name="generations"
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=40)  # what its user wants the pictures for, as the gate asks
    prompt = models.TextField(max_length=4000)  # as it was written, with the tags
    negative = models.TextField(max_length=4000, blank=True)
    settings = models.JSONField(default=dict)  # seed, steps, guidance, sampler, width, height, count, axes
    state = models.CharField(max_length=10, default=GenerationState.QUEUED)
    pictures_total = models.PositiveIntegerField(default=0)
    watchful = models.BooleanField(default=False)  # words in the prompt make the checks of its pictures stricter
    consents = models.JSONField(default=list, blank=True)  # public ids of those that its adapters rest on
    hosting_decision = models.ForeignKey(DecisionRecord, null=True, on_delete=models.PROTECT, related_name="+")
    purpose_decision = models.ForeignKey(DecisionRecord, null=True, on_delete=models.PROTECT, related_name="+")
    watched_at = models.DateTimeField(null=True, blank=True)  # intermediate pictures are made while somebody looks
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="generation_state_known", condition=Q(state__in=[state.value for state in GenerationState])
            )
        ]
        indexes = [models.Index(fields=["user", "-created_at"], name="generation_history")]

    def __str__(self) -> str:
        return f"generation {str(self.pk)[:8]}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED


class GenerationAdapter(models.Model):
    """An adapter of a generation, resolved to a version when it was asked for."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="adapters")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()
    written = models.CharField(max_length=200)  # the address as the prompt has it

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["generation", "position"], name="adapter_once_per_position")]


class GenerationPicture(models.Model):
    """One picture: what a worker leases, draws and hands in. The row is the job; messages only wake workers."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="pictures")
    row = models.PositiveSmallIntegerField(default=0)
    column = models.PositiveSmallIntegerField(default=0)
    row_label = models.CharField(max_length=200, blank=True)
    column_label = models.CharField(max_length=200, blank=True)
    prompt = models.TextField(max_length=4000)  # with the tags, as this cell has it
    negative = models.TextField(max_length=4000, blank=True)
    text = models.TextField(max_length=4000, blank=True)  # what the model reads
    weights = models.JSONField(default=list)  # [position of the adapter, text encoders, denoiser] of each tag
    seed = models.PositiveBigIntegerField()
    steps = models.PositiveSmallIntegerField()
    guidance = models.FloatField()
    sampler = models.CharField(max_length=40, blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    state = models.CharField(max_length=10, default=PictureState.QUEUED)
    problem = models.JSONField(default=dict, blank=True)  # what, why, remedy, and a proposal of other settings
    step = models.PositiveSmallIntegerField(default=0)
    steps_total = models.PositiveSmallIntegerField(default=0)  # as the sampler counts them
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    seconds = models.FloatField(null=True, blank=True)
    preview_key = models.CharField(max_length=300, blank=True)  # of the intermediate picture
    storage_key = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    blurhash = models.CharField(max_length=40, blank=True)
    marks = models.JSONField(default=dict, blank=True)
    checks = models.JSONField(default=list, blank=True)  # codes of what the checks found
    check_attempts = models.PositiveSmallIntegerField(default=0)
    notes = models.JSONField(default=list, blank=True)  # modules of adapters that were not applied
    sample = models.ForeignKey(SamplePicture, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["row", "column"]
        constraints = [
            models.CheckConstraint(
                name="generated_state_known", condition=Q(state__in=[state.value for state in PictureState])
            ),
            models.CheckConstraint(
                name="generated_done_has_a_file", condition=~Q(state=PictureState.DONE.value) | ~Q(storage_key="")
            ),
            models.UniqueConstraint(fields=["generation", "row", "column"], name="one_picture_per_cell"),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="generated_waiting",
                condition=Q(state__in=[state.value for state in DRAWN_NEXT]),
            ),
            models.Index(
                fields=["lease_until"],
                name="generated_checking",
                condition=Q(state=PictureState.CHECKING.value),
            ),
        ]

    @property
    def share(self) -> float:
        """How much of it is drawn, 0 to 1."""
        if self.state in {PictureState.CHECKING, PictureState.DONE}:
            return 1.0
        return min(self.step / self.steps_total, 1.0) if self.steps_total else 0.0


class GallerySettings(models.Model):
    """How a picture in an adapter's gallery was made: kept with it, since prompts and settings here are deleted."""

    sample = models.OneToOneField(SamplePicture, primary_key=True, on_delete=models.CASCADE, related_name="+")
    settings = models.JSONField()  # as `picture_facts.settings_shown` writes them
