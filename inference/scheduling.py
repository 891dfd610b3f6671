"""Which waiting requests a worker makes next, together: a pure function of who waits and who has had how much.

1. Between owners the one with the lowest *score* leads: the seconds it has had (they should fade with time), less a
   credit for each second that its first request has waited. However much somebody has had and whoever else arrives,
   there is a moment from which only those go before it who have waited as long: nobody starves.
2. Among one owner's requests the one that is due first leads: at its deadline, or after `patience` where it has none.
   A request of the same owner that is due earlier is never passed, not even by one that would fit the batch: an owner
   whose first request does not fit adds nothing.
3. The batch is filled with requests that are alike (one base model, size, number of steps, sampler …), by owners in
   the order of rule 1, each request counting as had at once, up to the limits on rows and pixels.

Requests that are cancelled, or whose deadline has passed, are never chosen (`overdue` names the latter). The order is
total: with the same facts every worker gets the same answer. After start-time fair queueing (Goyal, Vin and Cheng
1996) between owners and earliest deadline first within one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CREDIT = 0.25
"""Seconds of use that a second of waiting makes up for."""


@dataclass(frozen=True)
class Waiting:
    """A request in the queue. Times are seconds on one clock."""

    id: str
    owner: str
    base: str
    alike: tuple[object, ...]
    """What requests must share to be made in one run: (width, height, steps, guidance, sampler), see `alike`."""
    arrived: float
    deadline: float | None = None
    """After this nobody wants the picture any more."""
    seconds: float = 1.0
    """That making it will probably take, alone."""
    pixels: int = 0
    cancelled: bool = False


@dataclass(frozen=True)
class Limits:
    """What one run may hold, and who has had how much."""

    rows: int = 4
    pixels: int | None = None
    """Of all pictures of a run together; a single picture may be larger than that."""
    patience: float = 60.0
    had: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each owner has had lately."""
    loaded: str | None = None
    """The base model that the worker has in memory …"""
    loading: float = 0.0
    """… and how many seconds it takes to load another."""


@dataclass(frozen=True)
class Batch:
    """Requests to be made in one run, the leader first."""

    base: str
    alike: tuple[object, ...]
    ids: tuple[str, ...]


def alike(
    *, width: int, height: int, steps: int, guidance: float, sampler: str, stack: object = None
) -> tuple[object, ...]:
    """What requests of one run share. `stack`: the adapters, only where they lie in the weights (static pattern)."""
    return width, height, steps, guidance, sampler, stack


def overdue(waiting: Iterable[Waiting], *, now: float) -> list[str]:
    """Those whose deadline has passed, to be told so."""
    return [one.id for one in waiting if not one.cancelled and _late(one, now)]


def next_batch(waiting: Sequence[Waiting], *, now: float, limits: Limits) -> Batch | None:
    """The requests to make next; None where nobody waits."""
    queues = _queues(waiting, now, limits)
    if not queues:
        return None
    had = dict(limits.had)
    leader = queues[min(queues, key=lambda owner: _score(queues[owner][0], had, now, limits))][0]
    chosen: list[Waiting] = []
    while (owner := _next_owner(queues, leader, chosen, had, now, limits)) is not None:
        taken = queues[owner].pop(0)
        had[owner] = had.get(owner, 0.0) + taken.seconds
        chosen.append(taken)
    return Batch(leader.base, leader.alike, tuple(one.id for one in chosen))


def _queues(waiting: Sequence[Waiting], now: float, limits: Limits) -> dict[str, list[Waiting]]:
    """Each owner's requests in the order in which they are due."""
    queues: dict[str, list[Waiting]] = defaultdict(list)
    for one in {one.id: one for one in waiting}.values():
        if not one.cancelled and not _late(one, now):
            queues[one.owner].append(one)
    for queue in queues.values():
        queue.sort(key=lambda one: (_due(one, limits), one.arrived, one.id))
    return dict(queues)


def _late(one: Waiting, now: float) -> bool:
    return one.deadline is not None and one.deadline <= now


def _due(one: Waiting, limits: Limits) -> float:
    return one.arrived + limits.patience if one.deadline is None else one.deadline


def _score(first: Waiting, had: Mapping[str, float], now: float, limits: Limits) -> tuple[float, float, float, str]:
    """Lower goes first. Another base model has to be worth its loading, which waiting makes it."""
    loading = limits.loading if limits.loaded is not None and first.base != limits.loaded else 0.0
    score = had.get(first.owner, 0.0) + loading - CREDIT * max(0.0, now - first.arrived)
    return score, _due(first, limits), first.arrived, first.id


def _next_owner(
    queues: Mapping[str, list[Waiting]],
    leader: Waiting,
    chosen: Sequence[Waiting],
    had: Mapping[str, float],
    now: float,
    limits: Limits,
) -> str | None:
    """The owner whose first request joins the run next; the leader's own opens it."""
    if not chosen:
        return leader.owner
    if len(chosen) >= limits.rows:
        return None
    room = None if limits.pixels is None else limits.pixels - sum(one.pixels for one in chosen)
    fitting = [
        owner
        for owner, queue in queues.items()
        if queue
        and (queue[0].base, queue[0].alike) == (leader.base, leader.alike)
        and (room is None or queue[0].pixels <= room)
    ]
    return min(fitting, key=lambda owner: _score(queues[owner][0], had, now, limits), default=None)
