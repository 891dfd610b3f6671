"""What follows from a decision: the statement of reasons, strikes, blocks of copies, and letters to people."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from moderation.models.cases import Case
from registry.models import Version
from registry.models.outbox import Outgoing


class Ground(models.TextChoices):
    LAW = "law", "the law"
    TERMS = "terms", "the terms of this registry"
    LICENCE = "licence", "a licence that binds the adapter"


class StatementOfReasons(models.Model):
    """What the affected person is told about a restriction: the fields of Article 17(3) of the DSA."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="statements")
    case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.PROTECT, related_name="statements")
    decision = models.OneToOneField(DecisionRecord, on_delete=models.PROTECT, related_name="statement")
    measure = models.CharField(max_length=12)  # quarantine, refuse, take-down
    scope = models.CharField(max_length=200)  # where and for how long
    facts = models.TextField(max_length=4000)
    from_report = models.BooleanField(default=False)
    found_automatically = models.BooleanField(default=False)
    decided_automatically = models.BooleanField(default=False)
    ground = models.CharField(max_length=8, choices=Ground.choices)
    ground_text = models.CharField(max_length=500)  # the provision, clause or rule
    explanation = models.TextField(max_length=4000)
    redress = models.TextField(max_length=4000)
    appeal_until = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]


class Strike(models.Model):
    """A mark against who uploaded what had to be removed; it ends by itself."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="strikes")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="strikes")
    issued_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    issued_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)  # an appeal was granted

    class Meta:
        ordering = ["-issued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "case"], name="strike_once_per_case"),
            models.CheckConstraint(name="strike_ends_later", condition=Q(expires_at__gt=models.F("issued_at"))),
        ]


class BlockKind(models.TextChoices):
    FILE = "sha256", "file"
    TENSORS = "tensors", "tensors"
    PICTURE = "picture", "picture"


class Block(models.Model):
    """A digest of something removed: what has it is not taken again. `value` is the digest in hexadecimal digits.

    Of a picture it is its SHA-256; what finds near-identical copies of it lies in `features`, made by
    `moderation.matching.pictures` in a task, since the web process has no picture matching.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=BlockKind.choices)
    value = models.CharField(max_length=64)
    features = models.BinaryField(blank=True)
    source = models.CharField(max_length=60, blank=True)  # of a picture: its key in `services.evidence`
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="blocks")
    version = models.ForeignKey(Version, null=True, blank=True, on_delete=models.PROTECT, related_name="blocks")
    created_at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"], name="block_once_in_force", condition=Q(lifted_at__isnull=True)
            ),
            models.CheckConstraint(name="block_kind_known", condition=Q(kind__in=BlockKind.values)),
        ]
        indexes = [
            models.Index(
                fields=["kind"], name="block_with_features", condition=Q(lifted_at__isnull=True, kind="picture")
            )
        ]


class Letter(Outgoing):
    """A mail that has to go out. Recipient and text are sealed, and emptied once it is sent; `key` keeps it single."""

    key = models.CharField(max_length=120, unique=True)
    content = models.BinaryField(blank=True)  # sealed JSON: to, subject, body

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="letter_due", condition=Q(state="queued"))]
