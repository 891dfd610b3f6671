"""An adapter as a repository: immutable revisions of paths to content-addressed blobs, and named refs."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from registry.models.adapters import Adapter


class Blob(models.Model):
    """Bytes, once per adapter. Never shared between adapters: whoever knows a hash must not gain the bytes."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="blobs")
    sha256 = models.CharField(max_length=64)
    git_sha1 = models.CharField(max_length=40)
    size = models.PositiveBigIntegerField()
    storage_key = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["adapter", "sha256"], name="blob_once_per_adapter")]


class Revision(models.Model):
    """An immutable state of the whole repository, named by 40 hexadecimal digits."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="revisions")
    sha = models.CharField(max_length=40)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    message = models.CharField(max_length=500)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["adapter", "sha"], name="revision_sha_unique")]


class RevisionEntry(models.Model):
    """One path in one revision."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="entries")
    path = models.CharField(max_length=500)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="entries")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "path"], name="path_unique_per_revision")]
        ordering = ["path"]


class RefKind(models.TextChoices):
    BRANCH = "branch", "branch"
    TAG = "tag", "tag"


class Ref(models.Model):
    """A name for a revision: `main`, other branches, tags."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="refs")
    kind = models.CharField(max_length=6, choices=RefKind.choices)
    name = models.CharField(max_length=200)
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="refs")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adapter", "kind", "name"], name="ref_unique"),
            models.CheckConstraint(name="ref_kind_known", condition=Q(kind__in=["branch", "tag"])),
        ]
