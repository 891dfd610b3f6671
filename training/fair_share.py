"""Which run starts next: a pure function of who waits, who has had how much, and what the quotas allow.

Three levels, each with a rule of its own:

1. Between owners (people and organisations) the one with the lowest *score* goes first. The score is what the owner
   has had, in seconds that fade with a half-life, divided by its share; less a credit for each second that it has
   waited since it was last served. The credit grows without bound while nothing else does, so nobody starves: however
   much somebody has had, and whoever else arrives, there is a moment from which only those come first who have waited
   as long.
2. Between the people of one organisation, the same.
3. Among one person's runs: one that was broken off goes on first, then the higher priority; a priority rises by one
   for each hour of waiting, so that no run of one's own starves behind others.

Quotas come before all that: what may not start now is not looked at. The order is total, so that two workers that ask
with the same facts get the same answer. After Slurm's fair-share factor (decayed usage over shares) and start-time
fair queueing (Goyal, Vin and Cheng 1996: nobody gains by having been idle).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

CREDIT = 0.25  # seconds of use that a second of waiting makes up for
HALF_LIFE = 86_400.0  # seconds after which half of what was used is forgotten
AGING = 3600.0  # seconds of waiting that lift a run by one priority among its owner's
NEVER = float("-inf")

Member = tuple[int, int]  # (owner, user)


@dataclass(frozen=True)
class Waiting:
    """A run in the queue. Times are seconds on one clock."""

    run: int
    owner: int
    user: int
    queued_at: float
    priority: int = 0
    resumed: bool = False  # was broken off and has a checkpoint
    seconds: float = 0.0  # that it will probably take


@dataclass(frozen=True)
class Usage:
    """What somebody has had: seconds, faded to now, and when a run of theirs started last."""

    seconds: float = 0.0
    served_at: float = NEVER
    share: float = 1.0


@dataclass(frozen=True)
class Quota:
    """How much may run at once and, of an owner's, in a month; and how much does."""

    running: int = 0
    at_once: int = 1
    month: float = 0.0
    a_month: float = float("inf")


@dataclass(frozen=True)
class Ledger:
    """All that decides besides the queue itself. Who is absent has had nothing and has the default quota."""

    owners: Mapping[int, Usage] = field(default_factory=dict)
    members: Mapping[Member, Usage] = field(default_factory=dict)
    owner_quotas: Mapping[int, Quota] = field(default_factory=dict)
    user_quotas: Mapping[int, Quota] = field(default_factory=dict)


class Hindrance(StrEnum):
    """Why a run may not start now although a worker is free."""

    USER_AT_ONCE = "user-at-once"
    OWNER_AT_ONCE = "owner-at-once"
    OWNER_MONTH = "owner-month"


def faded(seconds: float, age: float) -> float:
    """What `seconds` of use that ended `age` seconds ago count now."""
    return float(seconds * 0.5 ** (max(age, 0.0) / HALF_LIFE))


def hindrance(run: Waiting, ledger: Ledger) -> Hindrance | None:
    """The quota that keeps this run from starting now, or None."""
    user = ledger.user_quotas.get(run.user, Quota())
    owner = ledger.owner_quotas.get(run.owner, Quota())
    if user.running >= user.at_once:
        return Hindrance.USER_AT_ONCE
    if owner.running >= owner.at_once:
        return Hindrance.OWNER_AT_ONCE
    if owner.month >= owner.a_month:
        return Hindrance.OWNER_MONTH
    return None


def next_run(waiting: Iterable[Waiting], ledger: Ledger, now: float) -> int | None:
    """The run that starts next, or None where the quotas let none start."""
    able = [run for run in waiting if hindrance(run, ledger) is None]
    return _first(able, ledger, now).run if able else None


def order(waiting: Iterable[Waiting], ledger: Ledger, now: float) -> list[int]:
    """The runs in the order in which they would start if nothing else happened; quotas on "at once" aside."""
    left, found = list(waiting), []
    while left:
        run = _first(left, ledger, now)
        found.append(run.run)
        left.remove(run)
        ledger = served(ledger, run, now)
    return found


def served(ledger: Ledger, run: Waiting, now: float) -> Ledger:
    """The ledger after `run` has started: it is charged what it will probably take."""
    member = (run.owner, run.user)
    owners = {**ledger.owners, run.owner: _charged(ledger.owners.get(run.owner, Usage()), run, now)}
    members = {**ledger.members, member: _charged(ledger.members.get(member, Usage()), run, now)}
    user = ledger.user_quotas.get(run.user, Quota())
    owner = ledger.owner_quotas.get(run.owner, Quota())
    return Ledger(
        owners,
        members,
        {**ledger.owner_quotas, run.owner: replace(owner, running=owner.running + 1)},
        {**ledger.user_quotas, run.user: replace(user, running=user.running + 1)},
    )


def _charged(usage: Usage, run: Waiting, now: float) -> Usage:
    return replace(usage, seconds=usage.seconds + run.seconds, served_at=now)


def _first(able: Sequence[Waiting], ledger: Ledger, now: float) -> Waiting:
    owner = min({run.owner for run in able}, key=lambda one: _owner_key(one, able, ledger, now))
    theirs = [run for run in able if run.owner == owner]
    user = min({run.user for run in theirs}, key=lambda one: _member_key(owner, one, theirs, ledger, now))
    return min((run for run in theirs if run.user == user), key=lambda run: _run_key(run, now))


def _owner_key(owner: int, able: Sequence[Waiting], ledger: Ledger, now: float) -> tuple[float, float, int]:
    since = min(run.queued_at for run in able if run.owner == owner)
    return score(ledger.owners.get(owner, Usage()), since, now), since, owner


def _member_key(
    owner: int, user: int, theirs: Sequence[Waiting], ledger: Ledger, now: float
) -> tuple[float, float, int]:
    since = min(run.queued_at for run in theirs if run.user == user)
    return score(ledger.members.get((owner, user), Usage()), since, now), since, user


def score(usage: Usage, since: float, now: float) -> float:
    """What somebody has had by their share, less the credit for having waited since `since`; the lowest goes first."""
    waited = max(now - max(since, usage.served_at), 0.0)
    return usage.seconds / usage.share - CREDIT * waited


def _run_key(run: Waiting, now: float) -> tuple[bool, float, float, int]:
    risen = run.priority + max(now - run.queued_at, 0.0) / AGING
    return not run.resumed, -risen, run.queued_at, run.run
