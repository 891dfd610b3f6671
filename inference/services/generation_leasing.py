"""Which pictures a worker draws next, and holding them while it does: leased, reported, given back, failed.

The choice is `inference.scheduling`'s, a pure function; here it gets the queue as rows, one worker at a time, and what
it chose is leased in the same transaction. A worker that dies loses its lease and nothing else.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from governance.policy import Use
from inference.generation_states import DRAWN_NEXT, OPEN, GenerationState, PictureState, state_of
from inference.models import Generation, GenerationPicture
from inference.scheduling import Batch, Limits, Waiting, alike, next_batch
from registry.models import Version
from registry.standing import obstacle_to
from registry.states import VersionState

MAX_ATTEMPTS = 3
QUEUE = 2000  # pictures that one choice looks at, the oldest first
HAD = timedelta(hours=1)  # what somebody has had in this time counts against them
SECONDS = 3.0  # that a picture takes while nobody has measured one
CHOICE_LOCK = 0x67656E65  # "gene": one worker at a time chooses


@dataclass(frozen=True)
class Lease:
    """Pictures that this worker draws together, under one token."""

    base: str
    token: uuid.UUID
    pictures: tuple[GenerationPicture, ...]


def pictures_take(*, worker: str, loaded: str | None = None) -> Lease | None:
    """Lease the pictures to draw next; None where nobody waits."""
    with transaction.atomic():
        _lock_choice()
        now = timezone.now()
        _give_up(now)
        rows = list(_free(now).select_related("generation__base_model").order_by("created_at")[:QUEUE])
        batch = next_batch([_waiting(row) for row in rows], now=now.timestamp(), limits=_limits(rows, now, loaded))
        if batch is None:
            return None
        return _lease(batch, worker, now)


def _lock_choice() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHOICE_LOCK])


def _free(now: datetime) -> QuerySet[GenerationPicture]:
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return GenerationPicture.objects.filter(free, state__in=DRAWN_NEXT)


def pictures_wait() -> bool:
    """Whether there is something for a worker to take."""
    return _free(timezone.now()).exists()


def _give_up(now: datetime) -> None:
    """End what waited too long, what broke off too often, and what was cancelled while a dead worker had it."""
    free = _free(now)
    ends: list[tuple[Q, PictureState, dict[str, str]]] = [
        (Q(cancel_requested=True), PictureState.CANCELLED, {}),
        (Q(created_at__lt=now - settings.GENERATION_PATIENCE), PictureState.FAILED, TOO_LATE),
        (Q(attempts__gte=MAX_ATTEMPTS), PictureState.FAILED, BROKE_OFF),
    ]
    for which, state, problem in ends:
        rows = free.filter(which)
        concerned = list(rows.values_list("generation", flat=True).distinct())
        if concerned:
            rows.update(state=state, problem=problem, lease_token=None, lease_until=None, finished_at=now)
            generations_settle(concerned)


TOO_LATE = {
    "what": "The picture was given up.",
    "why": "It waited longer than a picture may here, because the workers were busy or away.",
    "remedy": "Ask for it again; if that goes on, tell the administrator.",
}
BROKE_OFF = {
    "what": f"The drawing broke off {MAX_ATTEMPTS} times.",
    "why": "Its worker stopped each time before the picture was finished.",
    "remedy": "Ask for a smaller picture. If that breaks off as well, tell the administrator its id.",
}


def _waiting(row: GenerationPicture) -> Waiting:
    return Waiting(
        id=str(row.pk),
        owner=str(row.generation.user_id),
        base=row.generation.base_model.slug,
        alike=alike(
            width=row.width,
            height=row.height,
            steps=row.steps,
            guidance=row.guidance,
            sampler=row.sampler,
            stack=_stack(row),
        ),
        arrived=row.created_at.timestamp(),
        deadline=(row.created_at + settings.GENERATION_PATIENCE).timestamp(),
        seconds=SECONDS * row.steps / 20,
        pixels=row.width * row.height,
    )


def _stack(row: GenerationPicture) -> object:
    """What else pictures drawn together share: nothing, but for two cases.

    Where the adapters lie in the weights, they and their strengths. And what broke off before is drawn alone, so that
    it takes nobody else's pictures down with it.
    """
    if row.attempts:
        return str(row.pk)
    if settings.GENERATION_PATTERNS.get(row.generation.base_model.slug) != "static":
        return None
    versions = list(row.generation.adapters.values_list("version", flat=True))
    return tuple((versions[place], text, weight) for place, text, weight in row.weights)


def _limits(rows: Sequence[GenerationPicture], now: datetime, loaded: str | None) -> Limits:
    users = {row.generation.user_id for row in rows}
    drawn = GenerationPicture.objects.filter(generation__user__in=users, finished_at__gt=now - HAD)
    sums = drawn.values("generation__user").annotate(total=Sum("seconds")).values_list("generation__user", "total")
    had = {str(user): float(total or 0.0) for user, total in sums}
    pixels = settings.GENERATION_PIXELS_MAX
    return Limits(rows=settings.GENERATION_TOGETHER, pixels=pixels, had=had, loaded=loaded, loading=10.0)


def _lease(batch: Batch, worker: str, now: datetime) -> Lease:
    token = uuid.uuid4()
    GenerationPicture.objects.filter(pk__in=batch.ids).update(
        state=PictureState.RUNNING,
        worker=worker[:100],
        lease_token=token,
        lease_until=now + settings.JOB_LEASE,
        attempts=F("attempts") + 1,
        started_at=now,
        step=0,
        problem={},
    )
    related = ("generation__base_model", "generation__user__namespace")
    rows = GenerationPicture.objects.filter(lease_token=token).select_related(*related)
    by_id = {str(row.pk): row for row in rows.prefetch_related("generation__adapters__version__adapter__owner")}
    Generation.objects.filter(pk__in={row.generation_id for row in by_id.values()}).update(
        state=GenerationState.RUNNING
    )
    return Lease(batch.base, token, tuple(by_id[pk] for pk in batch.ids))


def held(token: uuid.UUID) -> QuerySet[GenerationPicture]:
    """What is still this worker's to draw."""
    return GenerationPicture.objects.filter(lease_token=token, state=PictureState.RUNNING)


def lease_renew(*, token: uuid.UUID) -> bool:
    return bool(held(token).update(lease_until=timezone.now() + settings.JOB_LEASE))


def progress_report(*, token: uuid.UUID, pictures: Iterable[str], step: int, steps: int) -> frozenset[str]:
    """Write down how far these are; answers those that are to be stopped: cancelled, or another worker's by now."""
    ids = [str(pk) for pk in pictures]
    mine = held(token).filter(pk__in=ids)
    mine.update(step=step, steps_total=steps, lease_until=timezone.now() + settings.JOB_LEASE)
    going_on = {str(pk) for pk in mine.filter(cancel_requested=False).values_list("pk", flat=True)}
    return frozenset(ids) - going_on


def picture_end(*, token: uuid.UUID, pk: Any, state: PictureState, problem: dict[str, Any] | None = None) -> bool:
    """End a picture without a file, unless another worker has it by now."""
    with transaction.atomic():
        row = held(token).filter(pk=pk).select_related("generation").first()
        if row is None:
            return False
        ended = held(token).filter(pk=pk)
        ended.update(state=state, problem=problem or {}, lease_token=None, lease_until=None, finished_at=timezone.now())
        generations_settle([row.generation_id])
    return True


def lease_give_back(*, token: uuid.UUID) -> None:
    """After an error that nobody foresaw: another turn, or after too many of them the end."""
    now = timezone.now()
    held(token).update(state=PictureState.QUEUED, lease_token=None, lease_until=None, step=0)
    with transaction.atomic():
        _lock_choice()
        _give_up(now)


def generations_settle(pks: Iterable[Any]) -> None:
    """Bring the state of generations up to that of their pictures."""
    for pk in set(pks):
        with transaction.atomic():
            generation = Generation.objects.select_for_update(no_key=True).filter(pk=pk).first()
            if generation is None:
                continue
            counts: dict[PictureState, int] = {}
            for state in generation.pictures.values_list("state", flat=True):
                counts[PictureState(state)] = counts.get(PictureState(state), 0) + 1
            state = state_of(counts)
            over = not any(counts.get(one) for one in OPEN)
            finished = (generation.finished_at or timezone.now()) if over else None
            Generation.objects.filter(pk=pk).update(state=state, finished_at=finished)


def obstacle_now(versions: Sequence[Version]) -> dict[str, str]:
    """What stands against drawing with these at this moment, because it came after the request; empty for nothing."""
    for version in versions:
        if version.state in {VersionState.QUARANTINED, VersionState.TAKEN_DOWN, VersionState.WITHDRAWN, "refused"}:
            return {
                "what": f"{version} was taken out of use meanwhile.",
                "why": str(version.state_detail.get("why") or f"It is {version.state} now."),
                "remedy": "Take another adapter, or another version of it.",
            }
        obstacle = obstacle_to(version, Use.HOSTED_SERVICE)
        if obstacle is not None:
            return {"what": obstacle.what, "why": obstacle.why, "remedy": obstacle.remedy}
    return {}
