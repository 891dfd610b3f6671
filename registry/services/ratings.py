"""Ratings: given by who downloaded the adapter, weighed so that one friend's five stars do not lead the list."""

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from accounts.models import User
from registry.errors import RatingRefused
from registry.models import Adapter, Rating
from registry.models.adapters import RATING_PRIOR, RATING_PRIOR_WEIGHT
from registry.models.ratings import BEST
from registry.selectors.access import may_rate


@transaction.atomic
def adapter_rate(*, actor: User, adapter: Adapter, stars: int) -> Adapter:
    """Give `adapter` 1 to 5 stars, replacing what `actor` gave before; raises RatingRefused."""
    if not 1 <= stars <= BEST:
        raise RatingRefused(f"{stars} stars cannot be given.", remedy=f"Give 1 to {BEST}.")
    if not may_rate(actor=actor, adapter=adapter):
        raise RatingRefused(f"You have not downloaded {adapter}, or it is your own.")
    adapter = Adapter.objects.select_for_update(of=("self",), no_key=True).select_related("owner").get(pk=adapter.pk)
    Rating.objects.update_or_create(
        adapter=adapter, user=actor, defaults={"stars": stars, "updated_at": timezone.now()}
    )
    given = Rating.objects.filter(adapter=adapter).aggregate(count=Count("pk"), total=Sum("stars"))
    adapter.rating_count = given["count"]
    # The Bayesian mean: as if a few people had given average stars before everybody else.
    adapter.rating = (RATING_PRIOR_WEIGHT * RATING_PRIOR + given["total"]) / (RATING_PRIOR_WEIGHT + given["count"])
    adapter.save(update_fields=["rating", "rating_count"])
    return adapter
