"""Training on a running site: a worker killed in the middle, a pause, a cancel, a right that ends, and a download."""

import hashlib
import io
import signal
import zipfile
from typing import Any

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, parent_of, signal_all, until
from tests.factories.datasets import drawn

pytestmark = pytest.mark.slow
STEPS = 30


@pytest.fixture(scope="module")
def tara(site: Site) -> Person:
    person = Person(site, "tara")
    statement = person.api("GET", "dataset-statement")
    draft = {"name": "shapes", "trigger": "nightleaf", "rights_edition": statement["edition"]}
    person.api("POST", "datasets", draft, expect=201)
    content = _pictures()
    address = person.tus_create(len(content), "shapes.zip")
    assert person.tus_patch(address, 0, content).status == 204
    files = [{"upload": address.rpartition("/")[2], "path": "shapes.zip"}]
    person.api("POST", "datasets/tara/shapes/imports", {"files": files}, expect=202)
    until(lambda: _ready(person), "twelve checked pictures", seconds=300)
    return person


def _pictures() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(1, 13):
            archive.writestr(f"{number:02}.png", drawn(number))
            archive.writestr(f"{number:02}.txt", f"nightleaf, a shape number {number}")
    return made.getvalue()


def _ready(person: Person) -> bool:
    found = person.api("GET", "datasets/tara/shapes")
    return bool(found["screened_at"]) and not found["obstacles"]


def _prepared(person: Person, name: str, steps: int = STEPS) -> str:
    plan = {
        "dataset": "tara/shapes",
        "base_model": "tinybase",
        "adapter_name": name,
        "intended_use": "personal",
        "recipe": {
            "steps": steps,
            "checkpoint_every": 5,
            "validate_every": 10,
            "data": {"batch": 2},
            "optim": {"warmup_steps": 2},
            "samples": {"every": 10, "prompts": ["{trigger}, a red circle"], "seeds": [1], "steps": 2},
        },
    }
    run = person.api("POST", "training/runs", plan, expect=201)
    assert run["state"] == "draft"
    assert [decision["outcome"] for decision in run["decisions"]] == ["allow", "allow"]
    person.api("POST", f"training/runs/{run['id']}/start", {})
    return str(run["id"])


def _run(person: Person, run: str) -> Any:
    return person.api("GET", f"training/runs/{run}")


def _until_state(person: Person, run: str, *states: str) -> Any:
    def there() -> Any:
        found = _run(person, run)
        assert found["state"] not in {"failed"} or "failed" in states, found["problem"]
        return found if found["state"] in states else None

    return until(there, f"the run being {' or '.join(states)}", seconds=300, every=0.3)


def test_a_worker_killed_in_the_middle_is_replaced_and_the_result_is_published(site: Site, tara: Person) -> None:
    run = _prepared(tara, "night-leaf")
    until(lambda: _run(tara, run)["checkpoint_step"] >= 10, "the second checkpoint", seconds=300, every=0.1)
    signal_all(site.pids("celery", "--queues train-cpu"), signal.SIGKILL)
    done = _until_state(tara, run, "done")
    assert (done["step"], done["attempts"]) == (STEPS, 2)
    points = tara.api("GET", f"training/runs/{run}/points")
    assert [point["step"] for point in points if point["kind"] == "training"] == list(range(1, STEPS + 1))
    result = until(lambda: _run(tara, run)["results"], "a draft version")[0]
    assert (result["state"], result["step"]) == ("draft", STEPS)
    statement = tara.api("GET", "rights-statement")
    asked = {"rights_edition": statement["edition"], "title": "Night leaf"}
    tara.api("POST", f"training/runs/{run}/publish", asked)
    assert tara.inspected("night-leaf", seconds=300)["state"] == "published"
    assert tara.ask("GET", f"/tara/night-leaf/v/{result['version']}/training").status == 200
    card = tara.ask("GET", f"/tara/night-leaf/v/{result['version']}/training/README.md").text
    assert run in card
    file = tara.ask("GET", tara.download_url("night-leaf"))
    assert file.status == 200
    assert hashlib.sha256(file.body).hexdigest() in {written["sha256"] for written in done["files"]}


def test_pause_resume_and_cancel_act_at_the_next_steps(site: Site, tara: Person) -> None:
    run = _prepared(tara, "paused", steps=2000)
    until(lambda: _run(tara, run)["step"] >= 3, "some steps", seconds=300, every=0.1)
    tara.api("POST", f"training/runs/{run}/pause", {})
    paused = _until_state(tara, run, "paused")
    assert paused["checkpoint_step"] == paused["step"]
    tara.api("POST", f"training/runs/{run}/resume", {})
    until(lambda: _run(tara, run)["step"] > paused["step"], "a step after the pause", seconds=300, every=0.1)
    tara.api("POST", f"training/runs/{run}/cancel", {})
    assert _until_state(tara, run, "cancelled")["step"] < 2000


def test_a_worker_that_is_told_to_end_gives_its_run_back_at_a_checkpoint(site: Site, tara: Person) -> None:
    run = _prepared(tara, "told", steps=2000)
    until(lambda: _run(tara, run)["step"] >= 3, "some steps", seconds=300, every=0.1)
    signal_all(_at_work(site), signal.SIGTERM)  # as the main process passes it on when it is told to end
    back = until(lambda: _given_back(site, run), "the end of the first lease", seconds=120)
    assert back == "queued"  # not lost: its worker said so itself
    tara.api("POST", f"training/runs/{run}/cancel", {})
    _until_state(tara, run, "cancelled")


def _at_work(site: Site) -> list[int]:
    """The processes that train: their parents are workers too."""
    workers = site.pids("celery", "--queues train-cpu")
    return [pid for pid in workers if parent_of(pid) in workers]


def _given_back(site: Site, run: str) -> str:
    query = """SELECT lease.ended_as FROM training_runlease lease JOIN training_trainingrun run ON run.id = lease.run_id
               WHERE run.public_id = %s ORDER BY lease.id LIMIT 1"""
    found = site.rows(query, run)
    return str(found[0][0]) if found and found[0][0] else ""


def test_a_right_that_ends_stops_a_run_although_the_news_was_lost(site: Site, tara: Person) -> None:
    run = _prepared(tara, "stopped", steps=5000)
    until(lambda: _run(tara, run)["step"] >= 3, "some steps", seconds=300, every=0.1)
    site.execute(
        """INSERT INTO training_datasetblock (dataset_id, code, message, ref, at)
           SELECT id, 'optout-match', 'A new opt-out names one of its pictures.', '', now() FROM training_dataset
           WHERE name = 'shapes'"""
    )
    stopped = _until_state(tara, run, "stopped")
    assert stopped["problem"]["code"] == "optout-match"
    assert stopped["step"] < 5000
