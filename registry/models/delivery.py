"""What passed the gate: the terms that were shown, their acceptance, and the signed receipt."""

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import ApiToken, Organisation, User
from governance.models import DecisionRecord
from registry.models.versions import Version, VersionFile


class TermsText(models.Model):
    """A text exactly as it was shown, under its SHA-256."""

    digest = models.CharField(max_length=64, primary_key=True)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)


class Acceptance(models.Model):
    """Who accepted which text for which use of which version."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="acceptances")
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.PROTECT)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="acceptances")
    use = models.CharField(max_length=40)
    terms = models.ForeignKey(TermsText, on_delete=models.PROTECT)
    decision = models.ForeignKey(DecisionRecord, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["user", "version", "use"], name="acceptance_lookup")]


class Receipt(models.Model):
    """A signed statement of what was delivered, to whom, under which terms."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    acceptance = models.ForeignKey(Acceptance, on_delete=models.PROTECT, related_name="receipts")
    file = models.ForeignKey(VersionFile, on_delete=models.PROTECT, related_name="receipts")
    body = models.JSONField()
    notice = models.TextField()
    issued_at = models.DateTimeField(default=timezone.now)
    first_delivered_at = models.DateTimeField(null=True, blank=True)


class StandingPass(models.Model):
    """A token that may pass the gate for one use, and accepts in its owner's name the terms of what is open for it."""

    token = models.OneToOneField(ApiToken, on_delete=models.CASCADE, related_name="standing_pass")
    use = models.CharField(max_length=40)
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.PROTECT)
    statement = models.ForeignKey(TermsText, on_delete=models.PROTECT)  # what its owner agreed to, verbatim
    created_at = models.DateTimeField(default=timezone.now)
