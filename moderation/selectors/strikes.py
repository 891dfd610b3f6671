"""Strikes in force, and what they cause: with `STRIKES_FOR_REVIEW` of them a person looks at every upload."""

from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from moderation.models import Strike


def strikes_in_force(*, user: User, at: datetime | None = None) -> QuerySet[Strike]:
    """What was neither lifted nor has ended at `at`, newest first."""
    at = at or timezone.now()
    return Strike.objects.filter(user=user, lifted_at__isnull=True, issued_at__lte=at, expires_at__gt=at)


def uploads_need_review(*, user: User) -> bool:
    """Whether the uploads of `user` wait for a person because of the strikes against them."""
    return strikes_in_force(user=user).count() >= settings.STRIKES_FOR_REVIEW
