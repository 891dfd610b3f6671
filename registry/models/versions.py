"""Versions, their files, what was declared about them, and where they come from."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from registry.models.adapters import Adapter
from registry.models.bases import BaseModel
from registry.models.repositories import Blob, Revision
from registry.models.uploads import Upload
from registry.states import VersionState


class VersionTransition(models.Model):
    """The allowed steps between states; a trigger on `Version` reads this table.

    A migration makes and fills the table, because its rows are part of the schema.
    """

    from_state = models.CharField(max_length=12)
    to_state = models.CharField(max_length=12)

    class Meta:
        managed = False
        db_table = "registry_versiontransition"


class RightsStatement(models.Model):
    """The verbatim statement that uploaders affirm, kept in every edition that was ever affirmed."""

    edition = models.CharField(max_length=20, unique=True)
    text = models.TextField()
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)


class Version(models.Model):
    """One uploaded state of an adapter with what its uploader declared and what was found in it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=60, blank=True)
    notes = models.TextField(blank=True, max_length=5000)
    state = models.CharField(max_length=12, default=VersionState.DRAFT)
    state_detail = models.JSONField(default=dict, blank=True)  # why it is in this state, for its owner
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    # Declared by the uploader
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="versions")
    licence_id = models.CharField(max_length=80)
    credit_required = models.BooleanField(default=True)
    allow_derivatives = models.BooleanField(default=True)
    allow_different_licence = models.BooleanField(default=False)
    commercial_use = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    depicts_real_person = models.BooleanField(default=False)
    training_sources = models.TextField(max_length=5000)
    trigger_words = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    strength = models.FloatField(default=1.0)
    preview_prompts = ArrayField(models.CharField(max_length=500), default=list, blank=True)
    rights_statement = models.ForeignKey(RightsStatement, null=True, blank=True, on_delete=models.PROTECT)
    rights_affirmed_at = models.DateTimeField(null=True, blank=True)

    # Found by the inspection
    upload = models.ForeignKey(Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="versions")
    revision = models.ForeignKey(Revision, null=True, blank=True, on_delete=models.PROTECT, related_name="versions")
    inspection = models.JSONField(null=True, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    family = models.CharField(max_length=40, blank=True)
    permissions = models.JSONField(default=dict, blank=True)  # use → outcome and narrowing reasons
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    duplicate_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="copies")

    inspected_at = models.DateTimeField(null=True, blank=True)  # the file was read; the screening follows
    screened_at = models.DateTimeField(null=True, blank=True)  # every check of the screening came to its end
    findings = models.JSONField(default=list, blank=True)  # what the screening found, as the policy engine reads it
    fictional_statement = models.TextField(blank=True, max_length=1000)  # how the person in its pictures came about
    consent_ids = ArrayField(models.CharField(max_length=60), default=list, blank=True)  # linked for a real person

    # The scan's lease: healed by the sweep when a worker dies
    scan_lease_until = models.DateTimeField(null=True, blank=True)
    scan_attempts = models.PositiveIntegerField(default=0)
    scan_progress = models.FloatField(default=0)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["adapter", "number"], name="version_number_unique"),
            models.CheckConstraint(
                name="version_state_known", condition=Q(state__in=[state.value for state in VersionState])
            ),
            models.CheckConstraint(
                name="version_published_has_what_it_needs",
                condition=~Q(state="published")
                | Q(revision__isnull=False, published_at__isnull=False, decision__isnull=False),
            ),
            models.CheckConstraint(
                name="version_strength_sensible", condition=Q(strength__gte=-4) & Q(strength__lte=4)
            ),
        ]
        indexes = [
            models.Index(fields=["scan_lease_until"], name="version_scanning", condition=Q(state="scanning")),
            models.Index(fields=["-published_at", "-id"], name="version_newest", condition=Q(state="published")),
        ]

    def __str__(self) -> str:
        return f"{self.adapter} v{self.number}"


class VersionFile(models.Model):
    """A file of a version with every hash the field uses."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="files")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    path = models.CharField(max_length=500)
    is_primary = models.BooleanField(default=True)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    autov1 = models.CharField(max_length=8, blank=True, db_index=True)
    autov2 = models.CharField(max_length=10, db_index=True)
    autov3 = models.CharField(max_length=64, blank=True, db_index=True)
    blake3 = models.CharField(max_length=64, db_index=True)
    crc32 = models.CharField(max_length=8, db_index=True)
    tensors_digest = models.CharField(max_length=64, blank=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "path"], name="file_path_unique_per_version"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(is_primary=True), name="one_primary_file_per_version"
            ),
        ]


class Relation(models.TextChoices):
    FINE_TUNE = "fine-tune", "trained further from"
    MERGE = "merge", "merged from"
    EXTRACT = "extract", "extracted from"
    CONVERT = "convert", "converted from"


class Lineage(models.Model):
    """A parent of a version: licences and flags of parents bind their children."""

    child = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="parents")
    parent = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="descendants")
    relation = models.CharField(max_length=10, choices=Relation.choices)
    weight = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["child", "parent"], name="lineage_once"),
            models.CheckConstraint(name="lineage_not_itself", condition=~Q(child=models.F("parent"))),
        ]
