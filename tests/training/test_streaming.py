"""Server-Sent Events: gone on with where the last connection ended, few at once, and never longer than they may be."""

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.training import make_run
from training import streaming
from training.models import EventKind, PointKind, RunPoint, TrainingRun
from training.services.run_states import run_log
from training.states import RunState
from training.streaming import Cursor, stream_response


def told(run: TrainingRun, last: str = "") -> list[tuple[str, str, Any]]:
    """(id, event, data) of a whole connection."""
    body = b"".join(stream_response(run, last).streaming_content).decode()
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def point(run: TrainingRun, step: int) -> None:
    RunPoint.objects.create(run=run, kind=PointKind.TRAINING, step=step, loss=0.5)


@pytest.mark.django_db
def test_a_reader_gets_everything_once_over_two_connections() -> None:
    run = make_run(state=RunState.DONE)
    run_log(run, EventKind.MESSAGE, "one")
    point(run, 1)
    first = told(run)
    assert [event for _, event, _ in first] == ["log", "points", "progress"]
    run_log(run, EventKind.MESSAGE, "two")
    point(run, 2)
    second = told(run, first[-1][0])
    assert [data["text"] for _, event, data in second if event == "log"] == ["two"]
    assert [data["points"][0]["step"] for _, event, data in second if event == "points"] == [2]


@pytest.mark.django_db
def test_progress_is_told_when_it_changes_and_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TRAINING_STREAM_SECONDS = 3
    run = make_run(state=RunState.RUNNING)
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            TrainingRun.objects.filter(pk=run.pk).update(step=7)
        elif len(naps) == 3:
            TrainingRun.objects.filter(pk=run.pk).update(
                state="failed", lease_token=None, lease_until=None, leased_at=None
            )

    monkeypatch.setattr(streaming.time, "sleep", nap)
    steps = [(data["state"], data["step"]) for _, event, data in told(run) if event == "progress"]
    assert steps == [("running", 0), ("running", 7), ("failed", 7)]


@pytest.mark.django_db
def test_too_many_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(state=RunState.DONE)
    monkeypatch.setattr(streaming, "_seats", threading.BoundedSemaphore(1))
    assert streaming._seats.acquire()
    assert b"".join(stream_response(run, "").streaming_content) == b"retry: 5000\n\n"
    streaming._seats.release()
    assert told(run)
    assert told(run)  # each gives its seat back


@given(st.text(max_size=40))
def test_any_last_event_id_is_a_cursor(text: str) -> None:
    found = Cursor.parse(text)
    assert found.event >= 0
    assert Cursor.parse(str(found)) == found
