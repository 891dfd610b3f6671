"""Pictures made with a version: the previews that the worker renders, with the settings that made them."""

import uuid

from django.db import models
from django.utils import timezone

from registry.models.versions import Version


class Shows(models.TextChoices):
    """What a row of previews is for."""

    STRENGTH = "strength", "one prompt at rising strength"
    PLAIN = "plain", "a prompt without the trigger word"
    SEEDS = "seeds", "one prompt from several seeds"


class VersionImage(models.Model):
    """One picture. Its bytes are served only to who may read the version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="images")
    row = models.PositiveIntegerField()  # one row per prompt
    column = models.PositiveIntegerField()  # one column per strength
    shows = models.CharField(max_length=10, choices=Shows.choices, default=Shows.STRENGTH)
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    seed = models.BigIntegerField()
    steps = models.PositiveIntegerField()
    guidance = models.FloatField()
    sampler = models.CharField(max_length=40, blank=True)
    strength = models.FloatField()
    base_model = models.CharField(max_length=60)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    storage_key = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    blurhash = models.CharField(max_length=40, blank=True)  # a blur in 28 characters, shown while it loads
    marks = models.JSONField(default=dict, blank=True)  # what says that it is AI-generated
    created_at = models.DateTimeField(default=timezone.now)
    screened_at = models.DateTimeField(null=True, blank=True)  # until then only its own people see it

    class Meta:
        ordering = ["row", "column"]
        constraints = [
            models.UniqueConstraint(fields=["version", "row", "column"], name="image_place_unique"),
            models.CheckConstraint(name="image_shows_known", condition=models.Q(shows__in=Shows.values)),
        ]
