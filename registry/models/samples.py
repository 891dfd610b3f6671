"""Pictures that people attach to a version: what it makes, or what it was trained on."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from registry.models.versions import Version


class SampleState(models.TextChoices):
    WAITING = "waiting", "Waits for the screening"
    SHOWN = "shown", "Shown"
    HELD = "held", "Held for a moderator"
    REMOVED = "removed", "Removed"


class SampleKind(models.TextChoices):
    EXAMPLE = "example", "Made with it"
    TRAINING = "training", "One of its training pictures"


class SamplePicture(models.Model):
    """One picture by the uploader, screened before anybody else sees it. Its metadata are read, then left out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="samples")
    kind = models.CharField(max_length=10, choices=SampleKind.choices, default=SampleKind.EXAMPLE)
    state = models.CharField(max_length=10, choices=SampleState.choices, default=SampleState.WAITING)
    storage_key = models.CharField(max_length=300)  # what is shown: pixels, and no words but the house's own
    original_key = models.CharField(max_length=300, blank=True)  # as uploaded, until the screening has read it
    sha256 = models.CharField(max_length=64)  # of what was uploaded
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    blurhash = models.CharField(max_length=40, blank=True)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["added_at", "id"]
        constraints = [
            models.CheckConstraint(name="sample_state_known", condition=Q(state__in=SampleState.values)),
            models.CheckConstraint(name="sample_kind_known", condition=Q(kind__in=SampleKind.values)),
            models.UniqueConstraint(fields=["version", "sha256"], name="sample_once_per_version"),
        ]
