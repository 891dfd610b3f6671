"""Asking an owner for access to an adapter that is not open to everybody who accepts its terms."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from registry.models.adapters import Adapter


class RequestState(models.TextChoices):
    PENDING = "pending", "Waits for the owner"
    ACCEPTED = "accepted", "Let in"
    REJECTED = "rejected", "Declined"


class AccessRequest(models.Model):
    """One person's request for one adapter. Whom an owner lets in unasked has one too, accepted from the beginning."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="access_requests")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_requests")
    state = models.CharField(max_length=8, choices=RequestState.choices, default=RequestState.PENDING)
    reason = models.TextField(max_length=2000, blank=True)  # in the person's words: what they want it for
    answer = models.TextField(max_length=2000, blank=True)  # why it was declined
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adapter", "user"], name="access_asked_once"),
            models.CheckConstraint(name="access_request_state_known", condition=Q(state__in=RequestState.values)),
            models.CheckConstraint(
                name="access_request_decided_says_when",
                condition=Q(state="pending", decided_at__isnull=True)
                | ~Q(state="pending") & Q(decided_at__isnull=False),
            ),
        ]
