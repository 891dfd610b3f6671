"""What is kept of a registered work: hashes, features and a small sealed picture. The picture itself is not kept."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from moderation.models.optout import OptOutEntry, OptOutRegistration


class WorkHash(models.Model):
    """A hash of a work by which it is found: the PDQ of an uploaded picture, or what a list names.

    Rows are never changed, and a trigger lets no writer draw an id while somebody holds the builder's lock: an index
    over all ids up to the highest one seen then misses nothing, and what is above it is searched apart.
    """

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(OptOutEntry, on_delete=models.CASCADE, related_name="hashes")
    algorithm = models.CharField(max_length=8)
    bits = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["bits"], condition=Q(algorithm="sha256"), name="optout_exact_hash")]


class WorkFeatures(models.Model):
    """What finds and verifies copies of a work (a `Description` as bytes), and a thumbnail for moderators, sealed.

    Its ids grow as those of `WorkHash` do.
    """

    id = models.BigAutoField(primary_key=True)
    entry = models.OneToOneField(OptOutEntry, on_delete=models.CASCADE, related_name="features")
    description = models.BinaryField()
    thumbnail_sealed = models.BinaryField(null=True, blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)


class OptOutIndexBuild(models.Model):
    """An index file that was built from this database: one without its row belongs to another, or to its past."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hashes_upto = models.BigIntegerField()  # all ids of WorkHash up to this one are in it
    features_upto = models.BigIntegerField()
    built_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-built_at"]


class PictureState(models.TextChoices):
    WAITING = "waiting", "being prepared"
    PREPARED = "prepared", "prepared"
    REFUSED = "refused", "refused"


class OptOutPicture(models.Model):
    """An uploaded picture of a work until its hashes are worked out; then the file is deleted and this row tells of it.

    The row is the job: a sweep hands out again what a lost worker left.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    registration = models.ForeignKey(OptOutRegistration, on_delete=models.CASCADE, related_name="pictures")
    title = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=200, blank=True)  # empty when the file is deleted
    state = models.CharField(max_length=8, choices=PictureState.choices, default=PictureState.WAITING)
    reason = models.CharField(max_length=300, blank=True)  # why it was refused
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    entry = models.ForeignKey(OptOutEntry, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.CheckConstraint(name="optout_picture_state_known", condition=Q(state__in=PictureState.values)),
            models.CheckConstraint(
                name="optout_refused_picture_says_why", condition=~Q(state="refused") | ~Q(reason="")
            ),
        ]
        indexes = [models.Index(fields=["created_at"], condition=Q(state="waiting"), name="optout_pictures_due")]
