"""Letters to people, each a row that is leased, retried and kept: see `registry.models.outbox`."""

from django.db import models
from django.db.models import Q

from accounts.models import User
from moderation.models.consent import Consent, Subject
from moderation.models.recall import RecallNotice
from registry.models.outbox import Outgoing


class MailKind(models.TextChoices):
    CONSENT_ASKED = "consent-asked", "consent asked for"
    CONSENT_CONFIRMED = "consent-confirmed", "answer confirmed"
    CONSENT_ANSWERED = "consent-answered", "consent answered"
    CONSENT_ENDED = "consent-ended", "consent ended"
    CONSENT_RESTORED = "consent-restored", "consent restored"
    RECALL_ISSUED = "recall-issued", "recall"
    RECALL_LIFTED = "recall-lifted", "recall lifted"


class Mail(Outgoing):
    """A mail to a person with an account, or to a subject without one. It is written when it is sent."""

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=MailKind.choices)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    subject = models.ForeignKey(Subject, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    consent = models.ForeignKey(Consent, null=True, blank=True, on_delete=models.PROTECT, related_name="mails")
    notice = models.ForeignKey(RecallNotice, null=True, blank=True, on_delete=models.PROTECT, related_name="mails")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="mail_has_exactly_one_reader",
                condition=Q(user__isnull=False, subject__isnull=True) | Q(user__isnull=True, subject__isnull=False),
            )
        ]
        indexes = [models.Index(fields=["next_at"], name="mail_due", condition=Q(state="queued"))]
