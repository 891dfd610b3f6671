"""Snapshots: a dataset as a run saw it, never changed afterwards; and what is kept of the pictures trained on."""

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import User
from training.models.datasets import Dataset


class DatasetSnapshot(models.Model):
    """The pictures and captions of one moment; `digest` is the SHA-256 of the manifest in canonical JSON.

    A trigger forbids every change but one: when the dataset is deleted its manifest is emptied, the digest stays.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="snapshots")
    digest = models.CharField(max_length=64)
    manifest = models.JSONField()
    pictures = models.PositiveIntegerField()  # for training, class pictures not counted
    validation = models.PositiveIntegerField()
    prior = models.PositiveIntegerField()
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["dataset", "digest"], name="snapshot_once_per_content")]

    def __str__(self) -> str:
        return f"snapshot {self.digest[:12]} of {self.dataset}"


class TrainedPicture(models.Model):
    """What finds works in a picture that was trained on (a `Trace`), when the picture itself is long deleted.

    Written by the worker that begins a run. Neither its pixels nor faces are kept.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="trained_pictures")
    picture = models.UUIDField()  # its public id
    snapshots = models.ManyToManyField(DatasetSnapshot, related_name="trained_pictures")
    sha256 = models.CharField(max_length=64)  # of the file as it was sent
    known = models.JSONField(default=list)  # keys of the findings it was trained with, all let pass
    hashes = models.BinaryField()
    described = models.BinaryField()
    compared_mark = models.CharField(max_length=200, blank=True)  # the registers' state it was compared with last
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["dataset", "picture"], name="trained_picture_once")]
        indexes = [models.Index(fields=["compared_mark"], name="trained_picture_compared")]
