"""Cases: one row per question that a person has to decide, with its history, its evidence and prepared texts."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from registry.models import Version


class CaseKind(models.TextChoices):
    """What the question is about. Settings give each kind its time (`CASE_HOURS`)."""

    PUBLICATION = "publication", "Publication"
    RIGHTS = "rights", "Rights infringement"
    LIKENESS = "likeness", "Likeness of a person"
    INTIMATE = "intimate", "Intimate imagery"
    MINORS = "minors", "Sexual content involving minors"
    LICENCE = "licence", "Licence violation"
    ILLEGAL = "illegal", "Other illegal content"
    SPAM = "spam", "Spam"
    QUALITY = "quality", "Quality"
    CONSENT = "consent", "Consent expired or revoked"
    OPT_OUT = "opt-out", "Opt-out"
    COPY = "copy", "Copy of something removed"
    EMERGENCY = "emergency", "Emergency hold"
    APPEAL = "appeal", "Appeal"


class CaseSource(models.TextChoices):
    SCREENING = "screening", "the checks"
    REPORT = "report", "a report"
    SYSTEM = "system", "the house"
    MODERATOR = "moderator", "a moderator"
    APPEAL = "appeal", "an appeal"


class Severity(models.IntegerChoices):
    LOW = 1, "low"
    NORMAL = 2, "normal"
    HIGH = 3, "high"
    URGENT = 4, "urgent"


class CaseStatus(models.TextChoices):
    OPEN = "open", "open"
    WAITING = "waiting", "waits for information"
    DECIDED = "decided", "decided"


class CaseOutcome(models.TextChoices):
    """How a case ended. The last two are no decision about it: it lost its object, or another case decided for it."""

    APPROVE = "approve", "published"
    DISMISS = "dismiss", "nothing to do"
    REFUSE = "refuse", "refused"
    TAKE_DOWN = "take-down", "taken down"
    MOOT = "moot", "moot"
    SETTLED = "settled", "settled by another case"


class Case(models.Model):
    """One question about one version. `revision` counts what changes it: a decision names the one it was taken on."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=CaseKind.choices)
    source = models.CharField(max_length=10, choices=CaseSource.choices)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="cases")
    severity = models.PositiveSmallIntegerField(choices=Severity.choices, default=Severity.NORMAL)
    status = models.CharField(max_length=8, choices=CaseStatus.choices, default=CaseStatus.OPEN)
    summary = models.CharField(max_length=500)
    details = models.JSONField(default=dict, blank=True)  # what the source found: `checks`, `codes`, facts
    opened_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    escalation = models.PositiveSmallIntegerField(default=0)  # steps of the clock that were taken (services.clocks)
    revision = models.PositiveIntegerField(default=1)

    assignee = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    claimed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    claimed_until = models.DateTimeField(null=True, blank=True)

    outcome = models.CharField(max_length=9, choices=CaseOutcome.choices, blank=True)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    settled_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="settles")
    # Of an appeal: who took the decision that is appealed, and therefore cannot decide here.
    barred = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.CheckConstraint(name="case_kind_known", condition=Q(kind__in=CaseKind.values)),
            models.CheckConstraint(name="case_status_known", condition=Q(status__in=CaseStatus.values)),
            models.CheckConstraint(
                name="case_decided_has_outcome",
                condition=Q(status="decided", decided_at__isnull=False, outcome__in=CaseOutcome.values)
                | (~Q(status="decided") & Q(decided_at__isnull=True, outcome="", decided_by__isnull=True)),
            ),
            models.CheckConstraint(
                name="case_appeal_decided_by_another",
                condition=Q(barred__isnull=True) | Q(decided_by__isnull=True) | ~Q(decided_by=models.F("barred")),
            ),
            models.CheckConstraint(
                name="case_claim_has_an_end",
                condition=Q(claimed_by__isnull=True, claimed_until__isnull=True)
                | Q(claimed_by__isnull=False, claimed_until__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["version", "kind"],
                name="case_one_open_per_kind",
                condition=~Q(status="decided") & ~Q(kind="appeal"),
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="case_queue", condition=~Q(status="decided")),
            models.Index(fields=["-decided_at"], name="case_by_decided", condition=Q(status="decided")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("case", args=[self.public_id])

    @property
    def is_open(self) -> bool:
        return self.status != CaseStatus.DECIDED

    @property
    def is_late(self) -> bool:
        return self.due_at <= timezone.now()

    @property
    def is_soon(self) -> bool:
        """Whether it is due within a day."""
        return self.due_at <= timezone.now() + timedelta(days=1)

    @property
    def is_claimed(self) -> bool:
        return self.claimed_until is not None and self.claimed_until > timezone.now()

    @property
    def badge(self) -> str:
        """The colour of its kind's badge."""
        return "review" if self.kind in {CaseKind.PUBLICATION, CaseKind.APPEAL} else "info"


class EventKind(models.TextChoices):
    OPENED = "opened", "opened"
    ADDED = "added", "found again"
    REPORTED = "reported", "reported"
    RETRACTED = "retracted", "report taken back"
    CLAIMED = "claimed", "taken up"
    RELEASED = "released", "put back"
    ASSIGNED = "assigned", "assigned"
    NOTE = "note", "note"
    EVIDENCE = "evidence", "evidence added"
    VIEWED = "viewed", "evidence viewed"
    CONTACT = "contact", "contact shown"
    ASKED = "asked", "asked for information"
    ANSWERED = "answered", "information given"
    HELD = "held", "quarantined"
    TOLD = "told", "holders told"
    ESCALATED = "escalated", "escalated"
    DECIDED = "decided", "decided"
    APPEALED = "appealed", "appealed"


class CaseEvent(models.Model):
    """What happened to a case, for moderators only; `text` holds notes and questions."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=EventKind.choices)
    text = models.TextField(blank=True, max_length=4000)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["at", "pk"]


class CaseEvidence(models.Model):
    """A file that somebody laid before the moderators: sealed in the storage, opened by `services.evidence` alone."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="evidence")
    storage_key = models.CharField(max_length=300)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    added_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["added_at", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Under which `services.evidence` opens it."""
        return f"evidence:{self.public_id}"

    @property
    def is_picture(self) -> bool:
        return self.content_type.startswith("image/")


class Macro(models.Model):
    """A prepared text for decisions that are alike; it fills the form and is then edited."""

    title = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=CaseKind.choices, blank=True)  # empty: for every kind
    verdict = models.CharField(max_length=16, blank=True)
    public_reasoning = models.TextField(max_length=4000)
    private_notes = models.TextField(max_length=4000, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title
