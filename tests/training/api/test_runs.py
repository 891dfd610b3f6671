"""Runs by the API: the same rules, in JSON and as Server-Sent Events."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.factories.accounts import make_token, make_user
from tests.factories.datasets import make_ready
from tests.factories.registry import catalogue
from tests.factories.training import make_run
from training.models import EventKind
from training.services.run_states import run_log
from training.states import RunState

pytestmark = pytest.mark.django_db
BASE = "/api/v1/training"


@pytest.fixture
def ada() -> User:
    catalogue()
    return make_user("ada")


def ask(user: User, method: str, path: str, data: Any = None, **headers: str) -> Any:
    _, secret = make_token(user)
    client = Client(headers={"Authorization": f"Bearer {secret}", **headers})
    if data is None:
        return client.generic(method, BASE + path)
    return getattr(client, method.lower())(BASE + path, data, content_type="application/json")


def test_a_run_from_plan_to_queue(ada: User) -> None:
    make_ready(ada, pictures=5)
    plan = {
        "dataset": "ada/leaves",
        "base_model": "tinybase",
        "adapter_name": "leaves",
        "intended_use": "personal",
        "recipe": {
            "steps": 40,
            "checkpoint_every": 10,
            "adapter": {"rank": 4, "alpha": 4.0},
            "optim": {"warmup_steps": 2},
        },
    }
    checked = ask(ada, "POST", "/check", plan).json()
    assert not [one for one in checked["problems"] if one["severity"] == "refused"]
    made = ask(ada, "POST", "/runs", plan)
    assert made.status_code == 201, made.content
    run = made.json()
    assert (run["state"], run["recipe"]["adapter"]["rank"], run["steps"]) == ("draft", 4, 40)
    assert [one["outcome"] for one in run["decisions"]] == ["allow", "allow"]
    started = ask(ada, "POST", f"/runs/{run['id']}/start", {}).json()
    assert started["queue"] == {"position": 1, "of": 1, "why": ""}
    assert ask(ada, "POST", f"/runs/{run['id']}/pause", {}).json()["state"] == "paused"
    assert ask(ada, "POST", f"/runs/{run['id']}/start", {}).status_code == 409
    assert [one["id"] for one in ask(ada, "GET", "/runs").json()] == [run["id"]]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"recipe": {"adapter": {"rank": 0}}}, "adapter.rank"),
        ({"recipe": {"adapter": {"shape": "round"}}}, "recipe"),
        ({"recipe": {"steps": "many"}}, "steps"),
        ({"gpu_class": "abacus"}, "gpu_class"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_by_its_setting(ada: User, changes: dict[str, Any], field: str) -> None:
    make_ready(ada, pictures=5)
    plan = {"dataset": "ada/leaves", "base_model": "tinybase", "adapter_name": "leaves", "intended_use": "personal"}
    answer = ask(ada, "POST", "/runs", {**plan, **changes})
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]


def test_events_come_as_json_and_as_a_stream(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    run_log(run, EventKind.MESSAGE, "Hello.")
    events = ask(ada, "GET", f"/runs/{run.public_id}/events").json()
    assert events[-1]["text"] == "Hello."
    stream = ask(ada, "GET", f"/runs/{run.public_id}/events", Accept="text/event-stream")
    assert stream["Content-Type"] == "text/event-stream"
    assert b"event: log" in b"".join(stream.streaming_content)


@pytest.mark.parametrize("path", ["", "/points", "/events", "/samples", "/checkpoints"])
def test_parts_are_for_the_runs_own_people(ada: User, path: str) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    assert ask(ada, "GET", f"/runs/{run.public_id}{path}").status_code == 200
    assert ask(make_user("eve"), "GET", f"/runs/{run.public_id}{path}").status_code == 404
    assert Client().get(f"{BASE}/runs/{run.public_id}{path}").status_code in {401, 404}


def test_presets_say_why(ada: User) -> None:
    choices = ask(ada, "GET", "/presets").json()
    assert "style" in {one["name"] for one in choices["purposes"]}
    found = ask(ada, "GET", "/presets?family=sdxl&purpose=style&pictures=20").json()
    assert found["reasons"]["adapter.rank"]
    assert ask(ada, "GET", "/presets?family=nothing").status_code == 422


def test_a_checkpoint_that_is_not_there_and_a_draft_that_is_not_there_are_refused(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    assert ask(ada, "POST", f"/runs/{run.public_id}/checkpoints/5/choose", {}).status_code == 409
    assert ask(ada, "POST", f"/runs/{run.public_id}/publish", {"rights_edition": "1"}).status_code == 409
