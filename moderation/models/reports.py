"""What people outside send in: reports, counter-notices and appeals. Their personal data is sealed."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from moderation.models.cases import Case, CaseKind
from registry.models import DiscussionComment, Version


class Report(models.Model):
    """One report of one version. Who sent it, how to reach them and their signature lie sealed in `contact`."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="reports")
    kind = models.CharField(max_length=12, choices=CaseKind.choices)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="reports")
    comment = models.ForeignKey(  # what it is about, where that is said in a discussion of the adapter
        DiscussionComment, null=True, blank=True, on_delete=models.PROTECT, related_name="reports"
    )
    account = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    contact = models.BinaryField(blank=True)  # sealed JSON: name, email, signature, address, phone; empty: anonymous
    contact_digest = models.CharField(max_length=64, blank=True)  # salted digest of the e-mail address, for look-up
    text = models.TextField(max_length=10_000)  # why, in the reporter's words
    work = models.TextField(max_length=4000, blank=True)  # the work, person or clause that it is about
    sworn = models.JSONField(default=list, blank=True)  # codes of the statements affirmed
    sworn_edition = models.CharField(max_length=20, blank=True)
    token_digest = models.CharField(max_length=64, unique=True)  # of the tracking link
    created_at = models.DateTimeField(default=timezone.now)
    retracted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "pk"]
        indexes = [models.Index(fields=["contact_digest"], name="report_by_contact", condition=~Q(contact_digest=""))]


class AppealSide(models.TextChoices):
    AFFECTED = "affected", "the uploader's side"
    REPORTER = "reporter", "the reporter's side"


class Appeal(models.Model):
    """A request to have a decision looked at by somebody else: once per decision and side.

    A counter-notice is the appeal of the uploader against a take-down for rights infringement, with sworn statements
    (17 U.S.C. 512(g)(3)); it names the days between which what was removed is put back.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="appeal")  # where it is decided
    of_case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.PROTECT, related_name="appeals")
    of_decision = models.ForeignKey(DecisionRecord, on_delete=models.PROTECT, related_name="appeals")
    side = models.CharField(max_length=8, choices=AppealSide.choices)
    by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    report = models.ForeignKey(Report, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=10_000)
    is_counter_notice = models.BooleanField(default=False)
    contact = models.BinaryField(blank=True)  # of a counter-notice, sealed: name, address, phone, email, signature
    sworn = models.JSONField(default=list, blank=True)
    sworn_edition = models.CharField(max_length=20, blank=True)
    put_back_from = models.DateField(null=True, blank=True)
    put_back_until = models.DateField(null=True, blank=True)
    granted = models.BooleanField(null=True, blank=True)  # None while it is open
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["of_decision", "side"], name="appeal_once_per_decision_and_side"),
            models.CheckConstraint(
                name="counter_notice_has_its_days",
                condition=Q(is_counter_notice=False) | Q(put_back_from__isnull=False, put_back_until__isnull=False),
            ),
        ]
