"""What a run made, by token: samples, written adapters, and its checkpoints with their losses."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Adapter
from registry.storage import store_bytes
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import catalogue
from tests.factories.training import make_run
from tests.training.services.test_results import done
from training.models import PointKind, RunCheckpoint, RunFile, RunPoint, RunSample, TrainingRun
from training.services.results import result_draft
from training.states import RunState

pytestmark = pytest.mark.django_db
BASE = "/api/v1/training"


@pytest.fixture
def ada() -> User:
    catalogue()
    return make_user("ada")


def client_of(user: User, scopes: list[str] | None = None) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(user, scopes)[1]}"})


def sample_of(run: TrainingRun) -> RunSample:
    store_bytes(content=b"\x89PNG pixels", key="training/s.png")
    return RunSample.objects.create(
        run=run, step=0, prompt="a", template="a", seed=1, with_trigger=False, storage_key="training/s.png",
        sha256="0" * 64, width=8, height=8,
    )  # fmt: skip


def file_of(run: TrainingRun) -> RunFile:
    store_bytes(content=b"weights", key="training/w.safetensors")
    return RunFile.objects.create(
        run=run, step=5, layout="kohya", filename="leaves.safetensors", storage_key="training/w.safetensors",
        sha256="0" * 64, size=7, max_difference=0,
    )  # fmt: skip


def test_samples_content_is_read_with_a_token_at_the_address_that_the_list_names(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    sample_of(run)
    reading = client_of(ada, ["read"])
    listed = reading.get(f"{BASE}/runs/{run.public_id}/samples").json()
    answer = reading.get(listed[0]["url"])
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert b"".join(answer.streaming_content) == b"\x89PNG pixels"
    assert client_of(make_user("eve")).get(listed[0]["url"]).status_code == 404
    assert Client().get(listed[0]["url"]).status_code == 401


def test_written_adapters_are_fetched_with_a_token_that_may_download(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    file_of(run)
    address = client_of(ada).get(f"{BASE}/runs/{run.public_id}").json()["files"][0]["url"]
    answer = client_of(ada, ["download"]).get(address)
    assert b"".join(answer.streaming_content) == b"weights"
    assert 'filename="leaves.safetensors"' in answer["Content-Disposition"]
    assert client_of(ada, ["read"]).get(address).status_code == 403
    assert client_of(make_user("eve")).get(address).status_code == 404
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    assert client_of(ada).get(address).status_code == 404, "a right has ended"


def test_checkpoints_tell_their_losses(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE, proposal={"step": 10, "why": "it is best"})
    for step in (5, 10):
        RunCheckpoint.objects.create(run=run, step=step, path=f"step-{step}")
    RunPoint.objects.create(run=run, kind=PointKind.VALIDATION, step=4, loss=0.5)
    RunPoint.objects.create(run=run, kind=PointKind.TRAINING, step=10, loss=0.25)
    rows = client_of(ada).get(f"{BASE}/runs/{run.public_id}/checkpoints").json()
    assert [(one["step"], one["training_loss"], one["validation_loss"], one["proposed"]) for one in rows] == [
        (5, None, 0.5, False),
        (10, 0.25, 0.5, True),
    ]


def test_a_draft_is_published_with_its_content_level() -> None:
    run = done()
    result_draft(run=run, actor=run.created_by, step=30)
    api = client_of(run.created_by)
    edition = api.get("/api/v1/rights-statement").json()["edition"]
    body: dict[str, Any] = {"rights_edition": edition, "title": "Leaves", "content_level": "mature"}
    answer = api.post(f"{BASE}/runs/{run.public_id}/publish", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert Adapter.objects.get(name=run.adapter_name).content_level == "mature"
    wrong = api.post(
        f"{BASE}/runs/{run.public_id}/publish", {**body, "content_level": "x"}, content_type="application/json"
    )
    assert wrong.json()["errors"]["content_level"]
