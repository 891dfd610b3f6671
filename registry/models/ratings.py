"""Stars that people give to adapters which they have downloaded."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from registry.models.adapters import Adapter

BEST = 5


class Rating(models.Model):
    """One person's stars for one adapter, 1 to 5; a later opinion replaces the earlier one."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="ratings")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="ratings")
    stars = models.PositiveSmallIntegerField()
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adapter", "user"], name="rating_once_per_person"),
            models.CheckConstraint(name="rating_within_stars", condition=Q(stars__gte=1, stars__lte=BEST)),
        ]
