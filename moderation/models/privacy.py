"""Data protection: links for people without an account, exports on their way, and what stays of an erasure."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User


class PrivacyLink(models.Model):
    """A link that was mailed to an address; who holds it may see and erase what is kept about that address.

    The address is sealed, and the secret is in the mail alone: its SHA-256 is here.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email_sealed = models.BinaryField()
    email_digest = models.CharField(max_length=64, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"privacy link {str(self.public_id)[:8]}"


class ExportState(models.TextChoices):
    QUEUED = "queued", "waits"
    RUNNING = "running", "being made"
    READY = "ready", "ready"
    FAILED = "failed", "failed"


class DataExport(models.Model):
    """One export of all that is kept about a person: a zip of JSON, sealed, for a few days. The row is the job."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="data_exports")
    link = models.ForeignKey(PrivacyLink, null=True, blank=True, on_delete=models.CASCADE, related_name="exports")
    state = models.CharField(max_length=7, choices=ExportState.choices, default=ExportState.QUEUED)
    parts_done = models.PositiveSmallIntegerField(default=0)
    parts_total = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    storage_key = models.CharField(max_length=200, blank=True)  # empty when there is no file
    key_wrapped = models.BinaryField(null=True, blank=True)
    size = models.PositiveBigIntegerField(default=0)  # bytes before sealing
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="export_state_known", condition=Q(state__in=ExportState.values)),
            models.CheckConstraint(
                name="export_of_exactly_one_person",
                condition=Q(user__isnull=False, link__isnull=True) | Q(user__isnull=True, link__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="export_unfinished", condition=Q(state__in=["queued", "running"]))
        ]

    def __str__(self) -> str:
        return f"export {str(self.public_id)[:8]}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in {ExportState.QUEUED, ExportState.RUNNING}

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self.parts_done / self.parts_total if self.parts_total else 0.0


class ErasedVia(models.TextChoices):
    ACCOUNT = "account", "the person, signed in"
    LINK = "link", "the link in their mail"
    OPERATOR = "operator", "the operator, on request"


class ErasureRecord(models.Model):
    """What stays of an erasure: that it was done, and whether the person wants never to be asked or enrolled again.

    Of the address there is a salted digest, which can be asked about one address and not searched for all: `bucket`
    is three hexadecimal digits, so that a look-up tries a few rows and tells nobody apart.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")  # a pseudonym now
    bucket = models.CharField(max_length=3, db_index=True)
    salt = models.BinaryField()
    digest = models.CharField(max_length=64)
    never_ask = models.BooleanField(default=False)
    via = models.CharField(max_length=8, choices=ErasedVia.choices)
    counts = models.JSONField(default=dict)  # of rows, by what they were
    erased_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-erased_at", "-pk"]

    def __str__(self) -> str:
        return f"erasure {str(self.public_id)[:8]}"
