"""What goes out of the house: letters by mail and messages to webhooks, each a row that is leased, retried and kept.

The row is the job. Its unique key makes it one in effect, however often somebody asks for it; a lost message of the
broker or a killed worker is made up for by the sweep.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation, User
from moderation.models.consent import Consent, Subject
from moderation.models.recall import RecallNotice


class OutState(models.TextChoices):
    QUEUED = "queued", "waiting"
    SENT = "sent", "delivered"
    FAILED = "failed", "given up"
    DROPPED = "dropped", "not needed any more"


class Outgoing(models.Model):
    """One delivery: claimed by a lease, tried again at `next_at`, given up after its last attempt."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=7, choices=OutState.choices, default=OutState.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


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


class WebhookEndpoint(models.Model):
    """An address of an organisation that is told of recalls; its secret is sealed and was shown once."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="webhooks")
    url = models.URLField(max_length=500)
    secret_sealed = models.BinaryField()
    former_secret_sealed = models.BinaryField(null=True, blank=True)  # signs as well for a while after a change
    former_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "url"], condition=Q(disabled_at=None), name="webhook_address_once"
            )
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(Outgoing):
    """One message to one endpoint; `public_id` is its `webhook-id`, the same at every attempt and replay."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries")
    notice = models.ForeignKey(RecallNotice, null=True, blank=True, on_delete=models.PROTECT, related_name="messages")
    event = models.CharField(max_length=40)
    body = models.TextField()  # exactly what is sent and signed

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "notice"], name="webhook_told_once_of_a_notice")]
        indexes = [models.Index(fields=["next_at"], name="webhook_due", condition=Q(state="queued"))]


class WebhookAttempt(models.Model):
    """One try to deliver a message, for the log that its organisation reads."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(default=timezone.now)
    status = models.PositiveIntegerField(null=True, blank=True)  # of HTTP; none where no answer came
    problem = models.CharField(max_length=300, blank=True)
    answer = models.CharField(max_length=500, blank=True)  # how the answer's body begins
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-at", "-pk"]
