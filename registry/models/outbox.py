"""What goes out of the house: messages to webhooks, and the form of everything else that is sent, each row a job.

The row is leased, retried and kept. A lost message of the broker or a killed worker is made up for by the sweep.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation, User


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


class Topic(models.TextChoices):
    """What an endpoint may be told of: an event's name begins with its topic."""

    RECALL = "recall", "Recalls of what was downloaded for the organisation"
    VERSION = "version", "Its versions: published, held, refused, withdrawn, taken down"
    RECEIPT = "receipt", "New receipts for what is downloaded on its behalf"
    DISCUSSION = "discussion", "Discussions of its adapters: opened, commented"


def every_topic() -> list[str]:
    """What an endpoint is told of where nothing was chosen."""
    return list(Topic.values)


class WebhookEndpoint(models.Model):
    """An address of an organisation that is told what it chose; its secret is sealed and was shown once."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="webhooks")
    url = models.URLField(max_length=500)
    topics = ArrayField(models.CharField(max_length=20, choices=Topic.choices), default=every_topic)
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
                fields=["organisation", "url"], condition=Q(disabled_at=None), name="webhook_address_once_per_owner"
            )
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(Outgoing):
    """One message to one endpoint; `public_id` is its `webhook-id`, the same at every attempt and replay."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries")
    event = models.CharField(max_length=40)
    key = models.CharField(max_length=120, blank=True)  # what it tells of, where that is told once to each endpoint
    body = models.TextField()  # exactly what is sent and signed

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "key"], condition=~Q(key=""), name="webhook_told_once")
        ]
        indexes = [models.Index(fields=["next_at"], name="webhook_message_due", condition=Q(state="queued"))]


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
