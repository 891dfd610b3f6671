"""The queue as the fair share sees it: who waits, who has had how much, and what the quotas leave."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace
from training.fair_share import (
    HALF_LIFE,
    Hindrance,
    Ledger,
    Member,
    Quota,
    Usage,
    Waiting,
    faded,
    hindrance,
    order,
)
from training.models import RunLease, TrainingRun
from training.states import HELD, RunState

MONTH = timedelta(days=30)
REMEMBERED = timedelta(seconds=10 * HALF_LIFE)  # a thousandth is left of what is older
HINDRANCES = {
    Hindrance.USER_AT_ONCE: "As many of your runs as may run at once do so already.",
    Hindrance.OWNER_AT_ONCE: "As many runs of its owner as may run at once do so already.",
    Hindrance.OWNER_MONTH: "Its owner's time on the machines for 30 days is used up; it comes back day by day.",
}


@dataclass(frozen=True)
class Place:
    """Where a run stands in its queue: 1 is next. `why`: what keeps it from starting even if a worker is free."""

    position: int
    of: int
    why: str


def waiting_in(gpu_class: str) -> list[Waiting]:
    """Every run that waits for a machine of this class."""
    rows = TrainingRun.objects.filter(gpu_class=gpu_class, state=RunState.QUEUED).order_by("pk")
    return [_waiting(run) for run in rows]


def _waiting(run: TrainingRun) -> Waiting:
    queued = run.queued_at or run.created_at
    left = run.seconds_left
    return Waiting(
        run=run.pk,
        owner=run.owner_id,
        user=run.created_by_id,
        queued_at=queued.timestamp(),
        priority=run.priority,
        resumed=run.checkpoint_step > 0,
        seconds=left or 0.0,
    )


def ledger_for(gpu_class: str, waiting: Iterable[Waiting], now: datetime | None = None) -> Ledger:
    """What has been used, for everybody who waits in this queue."""
    now = now or timezone.now()
    waiting = list(waiting)
    owners = {run.owner for run in waiting}
    users = {run.user for run in waiting}
    ledger = _usage(gpu_class, owners, now)
    return Ledger(ledger.owners, ledger.members, _owner_quotas(owners, now), _user_quotas(users, now))


def _usage(gpu_class: str, owners: set[int], now: datetime) -> Ledger:
    by_owner: dict[int, Usage] = {}
    by_member: dict[Member, Usage] = {}
    leases = RunLease.objects.filter(run__gpu_class=gpu_class, run__owner__in=owners, started_at__gt=now - REMEMBERED)
    for lease in leases.select_related("run"):
        charge, began = _charge(lease, now), lease.started_at.timestamp()
        owner, member = lease.run.owner_id, (lease.run.owner_id, lease.run.created_by_id)
        by_owner[owner] = _more(by_owner.get(owner, Usage()), charge, began)
        by_member[member] = _more(by_member.get(member, Usage()), charge, began)
    shares = _shares(owners)
    return Ledger(
        owners={owner: replace(by_owner.get(owner, Usage()), share=shares.get(owner, 1.0)) for owner in owners},
        members=by_member,
    )


def _more(usage: Usage, seconds: float, began: float) -> Usage:
    return replace(usage, seconds=usage.seconds + seconds, served_at=max(usage.served_at, began))


def _charge(lease: RunLease, now: datetime) -> float:
    """Seconds of a lease as they count now; one that is open counts what it will probably take."""
    if lease.ended_at is not None:
        used = (lease.ended_at - lease.started_at).total_seconds()
        return faded(used, (now - lease.ended_at).total_seconds())
    return (now - lease.started_at).total_seconds() + (lease.run.seconds_left or 0.0)


def _shares(owners: set[int]) -> dict[int, float]:
    named = Namespace.objects.filter(pk__in=owners, slug__in=settings.TRAINING_SHARES)
    return {pk: settings.TRAINING_SHARES[slug] for pk, slug in named.values_list("pk", "slug")}


def _owner_quotas(owners: set[int], now: datetime) -> dict[int, Quota]:
    people = set(Namespace.objects.filter(pk__in=owners, user__isnull=False).values_list("pk", flat=True))
    return {
        owner: Quota(
            running=TrainingRun.objects.filter(owner=owner, state__in=HELD).count(),
            at_once=(
                settings.TRAINING_AT_ONCE_PER_USER if owner in people else settings.TRAINING_AT_ONCE_PER_ORGANISATION
            ),
            month=month_seconds(Q(run__owner=owner), now),
            a_month=_a_month(is_person=owner in people),
        )
        for owner in owners
    }


def _a_month(*, is_person: bool) -> int:
    person, organisation = (
        settings.TRAINING_SECONDS_A_MONTH_PER_USER,
        settings.TRAINING_SECONDS_A_MONTH_PER_ORGANISATION,
    )
    return int(person if is_person else organisation)


def month_left(owner: Namespace) -> float:
    """Seconds on the machines that an owner has left of 30 days."""
    return _a_month(is_person=owner.user_id is not None) - month_seconds(Q(run__owner=owner))


def _user_quotas(users: set[int], now: datetime) -> dict[int, Quota]:
    # An organisation's month is its own: its people's runs there do not use up what they have for themselves.
    return {
        user: Quota(
            running=TrainingRun.objects.filter(created_by=user, state__in=HELD).count(),
            at_once=settings.TRAINING_AT_ONCE_PER_USER,
        )
        for user in users
    }


def month_seconds(whose: Q, now: datetime | None = None) -> float:
    """Seconds of use in the last 30 days, of every class."""
    now = now or timezone.now()
    leases = RunLease.objects.filter(whose).filter(Q(ended_at=None) | Q(ended_at__gt=now - MONTH))
    return sum(
        ((ended or now) - max(started, now - MONTH)).total_seconds()
        for started, ended in leases.values_list("started_at", "ended_at")
    )


def place_of(run: TrainingRun) -> Place | None:
    """Where the run stands in its queue; None where it does not wait."""
    if run.state != RunState.QUEUED:
        return None
    waiting = waiting_in(run.gpu_class)
    ledger = ledger_for(run.gpu_class, waiting)
    in_order = order(waiting, ledger, timezone.now().timestamp())
    if run.pk not in in_order:
        return None
    mine = next(one for one in waiting if one.run == run.pk)
    kept = hindrance(mine, ledger)
    return Place(in_order.index(run.pk) + 1, len(in_order), HINDRANCES[kept] if kept else "")
