"""Decisions and the audit log, both append-only, and the facts that people state about themselves."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation, User


class DecisionRecord(models.Model):
    """One decision as it was taken; a trigger forbids to change or remove it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    subject_label = models.CharField(max_length=300)
    action = models.CharField(max_length=40)
    outcome = models.CharField(max_length=6)
    request = models.JSONField()  # the input snapshot: the decision can be taken again from it
    reasons = models.JSONField()
    obligations = models.JSONField(default=list)
    questions = models.JSONField(default=list)
    ruleset_digest = models.CharField(max_length=64)
    public_reasoning = models.TextField(blank=True)
    private_notes = models.TextField(blank=True)
    override_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="overrides")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="decision_outcome_known", condition=Q(outcome__in=["allow", "review", "deny"])),
            models.CheckConstraint(name="decision_has_reasons", condition=~Q(reasons=[])),
        ]
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "-created_at"], name="decision_by_subject"),
            models.Index(fields=["actor", "-created_at"], name="decision_by_actor"),
        ]

    def to_json(self) -> dict[str, object]:
        """Shaped like the engine's own answer, for the one component that shows decisions."""
        return {
            "outcome": self.outcome,
            "use": self.action,
            "reasons": self.reasons,
            "obligations": self.obligations,
            "questions": self.questions,
            "ruleset_digest": self.ruleset_digest,
        }


class AuditEntry(models.Model):
    """One link of the audit chain: its hash covers its content and the hash before it."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=39, blank=True)  # an ActorHandle; empty for the system itself
    action = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["sequence"]
        indexes = [models.Index(fields=["subject_type", "subject_id", "sequence"], name="audit_by_subject")]


class ActorHandle(models.Model):
    """By which random name the chain knows a person. To erase somebody is to delete this row: the chain stays whole.

    Entries that were written before there were handles carry the username.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="actor_handle")
    handle = models.CharField(max_length=39, unique=True)


class SealSalt(models.Model):
    """The salt of one seal, beside the chain: without it nobody can try out what the sealed row said.

    A redaction deletes it with what it hides; see `governance.redaction`.
    """

    sequence = models.BigIntegerField()  # of the entry that carries the seal
    table = models.CharField(max_length=100)
    key = models.CharField(max_length=100)
    salt = models.BinaryField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sequence", "table", "key"], name="salt_once_per_seal")]
        indexes = [models.Index(fields=["table", "key"], name="salt_by_row")]


class ActorProfile(models.Model):
    """What a person or an organisation states about itself, where a licence asks for it."""

    user = models.OneToOneField(User, null=True, blank=True, on_delete=models.CASCADE, related_name="facts")
    organisation = models.OneToOneField(
        Organisation, null=True, blank=True, on_delete=models.CASCADE, related_name="facts"
    )
    standing_use = models.CharField(max_length=40, blank=True)
    annual_revenue_usd = models.BigIntegerField(null=True, blank=True)
    monthly_users = models.BigIntegerField(null=True, blank=True)
    territory = models.CharField(max_length=2, blank=True)
    registered_with = ArrayField(models.CharField(max_length=40), null=True, blank=True)
    receives_payment = models.BooleanField(null=True, blank=True)
    serves_end_users = models.BooleanField(null=True, blank=True)
    offers_related_service = models.BooleanField(null=True, blank=True)
    filters_content = models.BooleanField(null=True, blank=True)
    discloses_ai = models.BooleanField(null=True, blank=True)
    trains_competing_model = models.BooleanField(null=True, blank=True)
    biometric_processing = models.BooleanField(null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="facts_belong_to_exactly_one",
                condition=Q(user__isnull=False, organisation__isnull=True)
                | Q(user__isnull=True, organisation__isnull=False),
            )
        ]
