"""News of a run as Server-Sent Events: short connections, few at once, gone on with where the last one ended.

A connection holds one of the web process's threads, so it lasts for seconds and browsers connect again by themselves,
naming the last event that they have. Where too many are open, the answer is an empty one that says when to come again;
pages poll meanwhile, and nothing is lost.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from training.models import RunEvent, RunPoint, TrainingRun
from training.states import UNFINISHED

PAUSE = 1.0  # seconds between two looks
RETRY, RETRY_FULL = 1000, 5000  # milliseconds until a browser connects again
BATCH = 200  # rows of one look
_seats = threading.BoundedSemaphore(settings.TRAINING_STREAMS_AT_ONCE)


@dataclass(frozen=True)
class Cursor:
    """How far a reader is: the last line of the log and the last point that they have."""

    event: int = 0
    point: int = 0

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """From `Last-Event-ID`; what cannot be read is the beginning."""
        event, _, point = text.partition(".")
        both = (event, point or "0")
        if not all(part.isdecimal() and len(part) < 19 for part in both):
            return cls()
        return cls(*map(int, both))

    def __str__(self) -> str:
        return f"{self.event}.{self.point}"


def stream_response(run: TrainingRun, last: str) -> StreamingHttpResponse:
    """The answer to a reader who has everything up to `last`."""
    response = StreamingHttpResponse(_stream(run.pk, Cursor.parse(last)), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx passes each event on at once
    return response


def _stream(run_id: int, cursor: Cursor) -> Iterator[bytes]:
    if not _seats.acquire(blocking=False):
        yield f"retry: {RETRY_FULL}\n\n".encode()
        return
    try:
        yield f"retry: {RETRY}\n\n".encode()
        yield from _news(run_id, cursor)
    finally:
        _seats.release()


def _news(run_id: int, cursor: Cursor) -> Iterator[bytes]:
    end = time.monotonic() + settings.TRAINING_STREAM_SECONDS
    before: dict[str, Any] = {}
    while True:
        run = TrainingRun.objects.get(pk=run_id)
        for reached, kind, data in _since(run, cursor):
            cursor = reached
            yield _event(kind, data, cursor)
        if (now := progress_of(run)) != before:
            yield _event("progress", now, cursor)
            before = now
        if run.state not in UNFINISHED or time.monotonic() + PAUSE > end:
            return
        time.sleep(PAUSE)


def _since(run: TrainingRun, cursor: Cursor) -> Iterator[tuple[Cursor, str, dict[str, Any]]]:
    """What came after the cursor, each with the cursor behind it."""
    for event in RunEvent.objects.filter(run=run, pk__gt=cursor.event).order_by("pk")[:BATCH]:
        cursor = Cursor(event.pk, cursor.point)
        yield cursor, "log", event_facts(event)
    points = list(RunPoint.objects.filter(run=run, pk__gt=cursor.point).order_by("pk")[:BATCH])
    if points:
        cursor = Cursor(cursor.event, points[-1].pk)
        yield cursor, "points", {"points": [point_facts(point) for point in points]}


def _event(kind: str, data: dict[str, Any], cursor: Cursor) -> bytes:
    return f"id: {cursor}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def event_facts(event: RunEvent) -> dict[str, Any]:
    """A line of the log as plain values."""
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "level": event.level,
        "step": event.step,
        "text": event.text,
        "data": event.data,
    }


def point_facts(point: RunPoint) -> dict[str, Any]:
    """A point of the curves as plain values."""
    return {
        "kind": point.kind,
        "step": point.step,
        "loss": point.loss,
        "learning_rate": point.learning_rate,
        "grad_norm": point.grad_norm,
        "bands": point.bands,
    }


def progress_of(run: TrainingRun) -> dict[str, Any]:
    """How far the run is, in the few numbers that change all the time."""
    left = run.seconds_left
    return {
        "state": run.state,
        "wanted": run.wanted,
        "step": run.step,
        "steps": run.steps,
        "share": round(run.share, 4),
        "phase": run.phase,
        "phase_done": run.phase_done,
        "phase_total": run.phase_total,
        "seconds_left": None if left is None else round(left),
    }
