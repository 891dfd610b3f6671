"""Workers that are killed, messages that are lost, jobs that are cancelled: the rows know, and the sweeps heal."""

import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, paused, signal_all, until
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.slow
PICTURES = 12  # of a version that names no prompts: two rows of four, and two further seeds without and with it
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def wanda(site: Site) -> Person:
    return Person(site, "wanda")


def _messages(site: Site) -> list[Path]:
    return list((site.folder / "broker" / "messages").iterdir())


def _lose_messages(site: Site) -> None:
    """Wait for a message, then lose all there are."""
    until(lambda: _messages(site), "a message at the broker")
    for message in _messages(site):
        message.unlink(missing_ok=True)


def _job_id(site: Site, name: str) -> Any:
    query = """SELECT job.id FROM inference_previewjob job JOIN registry_version version ON version.id = job.version_id
               JOIN registry_adapter adapter ON adapter.id = version.adapter_id WHERE adapter.name = %s"""
    found = site.rows(query, name)
    return found[0][0] if found else None


def _scan(site: Site, name: str) -> tuple[str, int]:
    """State and attempts of the inspection."""
    query = """SELECT version.state, version.scan_attempts FROM registry_version version
               JOIN registry_adapter adapter ON adapter.id = version.adapter_id WHERE adapter.name = %s"""
    state, attempts = site.rows(query, name)[0]
    return state, attempts


def test_gpu_worker_killed_in_mid_render_is_healed(site: Site, wanda: Person) -> None:
    wanda.upload("killed", lora_bytes(seed=11))
    job = until(lambda: _job_id(site, "killed"), "a preview job", every=0.02)

    with psycopg.connect(site.database_url) as connection:
        # Whoever holds the row stops the worker at its next report: it cannot finish before it is killed.
        def caught() -> bool:
            connection.rollback()
            query = "SELECT state, pictures_done FROM inference_previewjob WHERE id = %s FOR UPDATE"
            state, done = connection.execute(query, [job]).fetchone()  # type: ignore[misc]
            assert state in {"queued", "running"}
            return bool(done)

        until(caught, "the first finished picture", every=0.005)
        signal_all(site.pids("celery", "--queues gpu"), signal.SIGKILL)
        connection.rollback()

    ended = wanda.previewed("killed")
    assert (ended["state"], ended["attempts"], ended["problem"]) == ("done", 2, {})
    pictures = wanda.pictures("killed")
    assert len(pictures) == PICTURES
    assert all(picture.startswith(PNG) for picture in pictures)


def test_inspection_worker_killed_is_healed(site: Site, wanda: Person) -> None:
    with psycopg.connect(site.database_url) as connection:
        with paused(site, "celery", "--queues default"):
            wanda.upload("orphan", lora_bytes(seed=12))
            # The worker leases the version, reads the file, and stands still where it looks for the same tensors.
            connection.execute("LOCK TABLE registry_versionfile IN ACCESS EXCLUSIVE MODE")
        until(lambda: _scan(site, "orphan") == ("scanning", 1), "the worker's lease")
        signal_all(site.pids("celery", "--queues default"), signal.SIGKILL)

    assert wanda.inspected("orphan")["state"] == "published"
    assert _scan(site, "orphan") == ("published", 2)


def test_worker_killed_after_it_stored_the_file_loses_nothing(site: Site, wanda: Person) -> None:
    """The file is in the store and its row is not: the next worker still finds the upload."""
    with psycopg.connect(site.database_url) as connection:
        with paused(site, "celery", "--queues default"):
            address = wanda.upload("stored", lora_bytes(seed=17))
            connection.execute("LOCK TABLE registry_revision IN ACCESS EXCLUSIVE MODE")
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        until(lambda: site.rows(waits, '%"registry_revision"%'), "the worker at the revision")
        signal_all(site.pids("celery", "--queues default"), signal.SIGKILL)

    version = wanda.inspected("stored")
    assert version["state"] == "published", version["state_detail"]
    assert _scan(site, "stored") == ("published", 2)
    arrived = site.folder / "uploads" / address.rsplit("/", 1)[1]
    until(lambda: not arrived.exists(), "the upload's file to go", 10)


def test_lost_inspection_message_is_made_up_for(site: Site, wanda: Person) -> None:
    with paused(site, "celery", "--queues default"):
        wanda.upload("unheard", lora_bytes(seed=13))
        _lose_messages(site)
        assert wanda.version("unheard")["state"] == "scanning"

    assert wanda.inspected("unheard")["state"] == "published"
    assert _scan(site, "unheard") == ("published", 1)


def test_lost_preview_message_is_made_up_for(site: Site, wanda: Person) -> None:
    with paused(site, "celery", "--queues gpu"):
        wanda.upload("unseen", lora_bytes(seed=14))
        until(lambda: wanda.job("unseen"), "the queued job")
        _lose_messages(site)
        assert wanda.job("unseen")["state"] == "queued"

    assert wanda.previewed("unseen")["state"] == "done"
    assert len(wanda.pictures("unseen")) == PICTURES


def test_cancelled_while_queued_ends_at_once_and_is_rendered_on_retry(site: Site, wanda: Person) -> None:
    with paused(site, "celery", "--queues gpu"):
        wanda.upload("waiting", lora_bytes(seed=15))
        job = until(lambda: wanda.job("waiting"), "the queued job")
        answer = wanda.post_form(f"/previews/{job['id']}/cancel")
        assert answer.status == 200
        assert "The previews were cancelled." in answer.text
        assert wanda.job("waiting")["state"] == "cancelled"

    answer = wanda.post_form(f"/previews/{job['id']}/retry")
    assert answer.status == 200
    assert wanda.job("waiting")["id"] != job["id"]
    assert wanda.previewed("waiting")["state"] == "done"
    assert len(wanda.pictures("waiting")) == PICTURES


def test_cancelled_in_mid_render_stops_the_worker(site: Site, wanda: Person) -> None:
    wanda.upload("stopped", lora_bytes(seed=16), preview_prompts=["a red circle", "a blue square", "a green star"])
    job = until(lambda: _job_id(site, "stopped"), "a preview job", every=0.02)
    state = "SELECT 1 FROM inference_previewjob WHERE id = %s AND state = 'running'"
    until(lambda: site.rows(state, job), "a running job", every=0.02)

    answer = wanda.post_form(f"/previews/{job}/cancel")

    assert answer.status == 200
    ended = wanda.previewed("stopped")
    assert ended["state"] == "cancelled"
    assert len(wanda.pictures("stopped")) < ended["pictures_total"]
