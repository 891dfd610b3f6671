"""The pictures of a dataset: what is stored of each, what was found in it, and its caption."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from moderation.models import Consent
from training.models.datasets import Dataset
from training.reporting.captions import CAPTION_MAX


class PictureState(models.TextChoices):
    WAITING = "waiting", "Waits for its checks"
    OK = "ok", "Checked"
    HELD = "held", "A person has to decide"
    REFUSED = "refused", "Refused"


class Protection(models.TextChoices):
    NONE = "", "No"
    GLAZE = "glaze", "Glaze"
    NIGHTSHADE = "nightshade", "Nightshade"
    OTHER = "other", "Another protection against training"


class DatasetPicture(models.Model):
    """One picture. Stored is a copy of its pixels alone, upright and in RGB; `sha256` is of the file as it was sent."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="pictures")
    path = models.CharField(max_length=300)  # in the layout it came in: 10_sks dog/a.png
    sha256 = models.CharField(max_length=64)
    stored_sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=300)
    thumb_key = models.CharField(max_length=300)
    size = models.PositiveBigIntegerField()  # bytes of what is stored, the small copy counted
    content_size = models.PositiveBigIntegerField(null=True, blank=True)  # of the picture alone; null: not yet asked
    width = models.PositiveIntegerField()  # pixels of the upright original
    height = models.PositiveIntegerField()
    sharpness = models.FloatField()  # variance of the Laplacian, see training.reporting.pixels
    phash = models.CharField(max_length=16)
    colours = models.BinaryField()  # 8 × 8 RGB means, for telling near-duplicates from look-alikes
    added_at = models.DateTimeField(default=timezone.now)

    caption = models.TextField(blank=True, max_length=CAPTION_MAX)
    caption_by = models.CharField(max_length=60, blank=True)  # sidecar, folder, person, or the captioner's name
    repeats = models.PositiveIntegerField(default=1)
    is_prior = models.BooleanField(default=False)  # a class picture, for prior preservation
    is_validation = models.BooleanField(default=False)
    left_out = models.BooleanField(default=False)  # stays here, goes into no snapshot
    near_group = models.PositiveIntegerField(null=True, blank=True)  # pictures with one number are near-duplicates

    # Declared of this picture alone; empty: what the set says.
    source = models.TextField(blank=True, max_length=2000)
    licence_id = models.CharField(max_length=80, blank=True)
    depicts_person = models.BooleanField(null=True, blank=True)
    protection = models.CharField(max_length=10, choices=Protection.choices, blank=True, default=Protection.NONE)
    consent = models.ForeignKey(Consent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    # Found
    marks = models.JSONField(default=list, blank=True)  # reservations read in its metadata before these were left out
    state = models.CharField(max_length=7, choices=PictureState.choices, default=PictureState.WAITING)
    findings = models.JSONField(default=list, blank=True)
    rulings = models.JSONField(default=list, blank=True)  # keys of findings that a moderator has let pass
    faces = models.PositiveIntegerField(null=True, blank=True)  # how many were found; never whose
    attempts = models.PositiveIntegerField(default=0)
    looked_at = models.DateTimeField(null=True, blank=True)  # its pixels were screened; kept when only words change
    screened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["path", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "path"], name="picture_path_once_per_dataset"),
            models.UniqueConstraint(fields=["dataset", "sha256"], name="picture_once_per_dataset"),
            models.CheckConstraint(name="dataset_picture_state_known", condition=Q(state__in=PictureState.values)),
            models.CheckConstraint(
                name="dataset_picture_protection_known", condition=Q(protection__in=Protection.values)
            ),
            models.CheckConstraint(
                name="dataset_picture_prior_not_validation", condition=Q(is_prior=False) | Q(is_validation=False)
            ),
            models.CheckConstraint(name="dataset_picture_repeats", condition=Q(repeats__gte=1, repeats__lte=1000)),
        ]
        indexes = [models.Index(fields=["dataset"], name="dataset_picture_waiting", condition=Q(state="waiting"))]

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]
