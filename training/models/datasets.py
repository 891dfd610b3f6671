"""Datasets: whose they are, what is declared about them, which consents they rest on, what became of them."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace, User
from moderation.models import Consent


class Purpose(models.TextChoices):
    STYLE = "style", "A style"
    PERSON = "person", "A character or person"
    OBJECT = "object", "An object"
    CONCEPT = "concept", "A concept"
    PRODUCT = "product", "A product"


class Origin(models.TextChoices):
    OWN = "own", "Made by us: we hold every right"
    LICENSED = "licensed", "Under a licence that we name"
    MIXED = "mixed", "Said for each picture"


class DatasetState(models.TextChoices):
    OPEN = "open", "Open"
    DELETED = "deleted", "Deleted"


class DatasetStatement(models.Model):
    """The verbatim statement that is affirmed with a dataset, kept in every edition that was ever affirmed."""

    edition = models.CharField(max_length=20)
    text = models.TextField()
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)


class Dataset(models.Model):
    """Pictures with captions under `/datasets/{owner}/{name}`. Private; nothing of it is ever listed to others."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="datasets")
    name = models.CharField(max_length=60)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=5000)
    purpose = models.CharField(max_length=7, choices=Purpose.choices, default=Purpose.STYLE)
    trigger = models.CharField(max_length=60, blank=True)  # the word that is to call for what is learned
    class_word = models.CharField(max_length=60, blank=True)  # what it is one of: "dog", "person"
    state = models.CharField(max_length=7, choices=DatasetState.choices, default=DatasetState.OPEN)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    # Declared; what a picture says of itself goes before it.
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.OWN)
    licence_id = models.CharField(max_length=80, blank=True)
    source = models.TextField(blank=True, max_length=5000)
    depicts_real_person = models.BooleanField(default=False)
    fictional_statement = models.TextField(blank=True, max_length=1000)  # how the person in it came about
    protected = models.BooleanField(default=False)  # some are treated with Glaze or Nightshade
    rights_statement = models.ForeignKey(DatasetStatement, null=True, blank=True, on_delete=models.PROTECT)
    rights_affirmed_at = models.DateTimeField(null=True, blank=True)

    validation_share = models.FloatField(default=0.2)
    findings = models.JSONField(default=list, blank=True)  # about the set as a whole, as the policy engine reads them
    rulings = models.JSONField(default=list, blank=True)  # keys of these that a moderator has let pass
    screened_at = models.DateTimeField(null=True, blank=True)  # the set as it stands: null after each change
    optout_mark = models.CharField(max_length=200, blank=True)  # the register's revision that it was compared with

    last_used_at = models.DateTimeField(null=True, blank=True)  # the last run over it ended, or it was last changed
    keep_until = models.DateTimeField(null=True, blank=True)  # an owner's wish to keep it longer
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(state="open"), name="dataset_name_unique_while_open"
            ),
            models.CheckConstraint(name="dataset_state_known", condition=Q(state__in=DatasetState.values)),
            models.CheckConstraint(name="dataset_purpose_known", condition=Q(purpose__in=Purpose.values)),
            models.CheckConstraint(name="dataset_origin_known", condition=Q(origin__in=Origin.values)),
            models.CheckConstraint(
                name="dataset_validation_share", condition=Q(validation_share__gte=0, validation_share__lte=0.5)
            ),
            models.CheckConstraint(
                name="dataset_deleted_says_when",
                condition=Q(state="open", deleted_at__isnull=True) | Q(state="deleted", deleted_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["last_used_at"], name="dataset_retention", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"{self.owner.slug}/{self.name}"


class DatasetConsent(models.Model):
    """A dataset rests on a consent; a link that was released stays as a row."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="consent_links")
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="dataset_links")
    linked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    linked_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "consent"], condition=Q(released_at=None), name="dataset_consent_linked_once"
            )
        ]


class DatasetBlock(models.Model):
    """Something came to light after the dataset was in use: its runs are told to stop. Cleared when it is gone."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="blocks")
    picture = models.UUIDField(null=True, blank=True)  # its public id; null where it concerns the whole
    # Those that have the picture, also when their manifests are emptied; of no meaning where it concerns the whole.
    snapshots = models.ManyToManyField("training.DatasetSnapshot", blank=True, related_name="blocks")
    code = models.CharField(max_length=60)
    ref = models.CharField(max_length=120, blank=True)  # what it is about: the key of a finding, the id of a consent
    message = models.TextField(max_length=2000)
    at = models.DateTimeField(default=timezone.now)
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["dataset"], name="dataset_block_standing", condition=Q(cleared_at=None))]


class EditKind(models.TextChoices):
    REPLACE = "replace", "Find and replace"
    PREFIX = "prefix", "Put the trigger word first"
    APPEND = "append", "Append"
    SHUFFLE = "shuffle", "Shuffle tags"
    CAPTIONER = "captioner", "Captions by a model"
    ONE = "one", "One caption"
    COMMIT = "commit", "Sent by a Hub client"


class DatasetEdit(models.Model):
    """A change of captions that can be undone: `changes` has the caption before and after, by picture."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="edits")
    kind = models.CharField(max_length=9, choices=EditKind.choices)
    changes = models.JSONField(default=dict)  # public id of the picture → [before, after]
    made_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-made_at", "-pk"]
        constraints = [models.CheckConstraint(name="dataset_edit_kind_known", condition=Q(kind__in=EditKind.values))]

    @property
    def count(self) -> int:
        changes: dict[str, Any] = self.changes
        return len(changes)


class DeletionReason(models.TextChoices):
    ASKED = "asked", "its owner deleted it"
    RETENTION = "retention", "its time was over"
    ERASED = "erased", "its owner's account was erased"


class DatasetDeletion(models.Model):
    """What was deleted, by digest, and when the storage was seen without it. The pictures are gone, this row stays."""

    dataset = models.OneToOneField(Dataset, on_delete=models.PROTECT, related_name="deletion")
    reason = models.CharField(max_length=9, choices=DeletionReason.choices)
    digest = models.CharField(max_length=64)  # SHA-256 over the sorted SHA-256 of all that was stored
    pictures = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()
    keys = models.JSONField(default=list)  # places in the storage, so that anybody can look whether they are empty
    asked_at = models.DateTimeField(default=timezone.now)
    proved_at = models.DateTimeField(null=True, blank=True)  # each place was looked at and is empty

    class Meta:
        constraints = [
            models.CheckConstraint(name="dataset_deletion_reason", condition=Q(reason__in=DeletionReason.values))
        ]
