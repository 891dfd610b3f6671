"""Look backs as jobs: begun for what came newly, found when their worker is gone, and tidied away later.

Light: the sweep imports it. What a look back does is in `services.looking`.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from governance.services import audit_append, audited
from moderation.models import Lookback, Newcomer, NewcomerKind
from moderation.models.lookback import LOOKING
from moderation.signals import register_grew
from registry.models import Version
from registry.states import VersionState

MOST = 200_000  # newcomers of one look back: what a worker holds in memory
KEPT = timedelta(days=30)  # after it ended, so that others who keep pictures can still ask what came


def lookback_begin() -> Lookback | None:
    """Claim what came since the last one and begin a look back for it; None where nothing came."""
    return _begin() if Newcomer.objects.filter(lookback=None).exists() else None


@audited()
def _begin() -> Lookback | None:
    """One claims what there is; whoever comes at the same time waits, and finds nothing left."""
    waiting = Newcomer.objects.filter(lookback=None)
    beyond = waiting.order_by("pk").values_list("pk", flat=True)[MOST : MOST + 1].first()
    lookback = Lookback.objects.create(**_scope())
    mine = waiting.filter(pk__lt=beyond) if beyond else waiting
    if not mine.update(lookback=lookback):
        lookback.delete()
        return None
    kinds = lookback.newcomers.values("kind").annotate(count=Count("ref", distinct=True)).values_list("kind", "count")
    counts = dict(kinds)
    lookback.entries = counts.get(NewcomerKind.ENTRY, 0)
    lookback.identities = counts.get(NewcomerKind.IDENTITY, 0)
    lookback.blocks = counts.get(NewcomerKind.BLOCK, 0)
    lookback.save(update_fields=["entries", "identities", "blocks"])
    audit_append(
        actor=None,
        action="lookback.begun",
        subject=("moderation.lookback", str(lookback.pk)),
        data={"entries": lookback.entries, "identities": lookback.identities, "blocks": lookback.blocks},
    )
    transaction.on_commit(lambda: register_grew.send(sender=Lookback, lookback_id=lookback.pk))
    return lookback


def versions_inspected() -> Q:
    """What was ever looked at; a draft meets the register when it is submitted."""
    return Q(inspected_at__isnull=False) & ~Q(state=VersionState.DRAFT)


def _scope() -> dict[str, int]:
    """The versions that are there now: what comes later meets the whole register."""
    counted = Version.objects.filter(versions_inspected()).aggregate(count=Count("pk"), highest=Max("pk"))
    return {"versions": counted["count"], "upto": counted["highest"] or 0}


def lookbacks_due() -> list[int]:
    """Look backs that nobody works on, the oldest first."""
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    waiting = Lookback.objects.filter(free, state__in=LOOKING)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:20])


def lookbacks_tidy() -> int:
    """Forget what long ended look backs were for; their figures stay. How many rows went."""
    over = Lookback.objects.filter(finished_at__lt=timezone.now() - KEPT)
    old = Newcomer.objects.filter(lookback__in=over).values_list("pk", flat=True)[:10_000]
    return Newcomer.objects.filter(pk__in=list(old)).delete()[0]
