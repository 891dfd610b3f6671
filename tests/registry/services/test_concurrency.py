"""Services that lock take their locks in one order: whatever meets, nobody is the victim of a deadlock."""

import threading
from collections.abc import Callable
from itertools import cycle, islice

import pytest
from django.db import connection

from accounts.models import User
from governance.policy import Use
from inference.models import PreviewJob
from inference.services.previews import preview_cancel, preview_queue
from inference.states import JobState
from registry.models import Acceptance, Adapter, Version
from registry.services.adapters import adapter_update
from registry.services.delivery import gate_accept, gate_ask
from registry.services.ratings import adapter_rate
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import inspect_and_screen, make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12


def _download(actor: User, version: Version) -> None:
    asked = {"actor": actor, "organisation": None, "version": version, "use": Use.PERSONAL}
    gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


def _previews(version: Version) -> None:
    job = preview_queue(version=version)
    if job is not None and job.state == JobState.QUEUED:
        preview_cancel(job=job, actor=version.created_by)


def _together(*works: Callable[[], None]) -> list[Exception]:
    """Each work over and over in a thread of its own, all at once; what went wrong."""
    wrong: list[Exception] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait(timeout=30)
            for again in islice(cycle([work]), ROUNDS):
                again()
        except Exception as error:  # noqa: BLE001 (handed to the test)
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return wrong


@pytest.mark.slow
def test_downloads_previews_edits_and_ratings_do_not_meet_crosswise() -> None:
    version = make_version(actor=make_user("ada"))
    people = [make_user(f"bob{number}") for number in range(2)]
    for person in people:
        _download(person, version)

    def edit() -> None:
        adapter_update(actor=version.created_by, adapter=Adapter.objects.get(), title="Another title")

    wrong = _together(
        lambda: _download(people[0], version),
        lambda: _download(people[1], version),
        lambda: _previews(version),
        lambda: (adapter_rate(actor=people[0], adapter=version.adapter, stars=4), None)[1],
        edit,
    )
    assert wrong == []
    assert Acceptance.objects.count() == 2 + 2 * ROUNDS
    assert Adapter.objects.get().download_count == 2 + 2 * ROUNDS
    assert PreviewJob.objects.exists()


@pytest.mark.slow
def test_inspections_of_one_adapter_and_downloads_of_it_do_not_meet_crosswise() -> None:
    ada = make_user("ada")
    studio = make_organisation(ada, "studio")
    version = make_version(actor=ada, namespace=studio.namespace)
    waiting = [
        make_submitted(actor=ada, namespace=studio.namespace, content=lora_bytes(seed=10 + number))
        for number in range(ROUNDS)
    ]
    left = iter(waiting)
    bob = make_user("bob")
    wrong = _together(
        lambda: inspect_and_screen(version_id=next(left).pk),
        lambda: _download(bob, version),
        lambda: _previews(version),
    )
    assert wrong == []
    states = set(Version.objects.filter(pk__in=[found.pk for found in waiting]).values_list("state", flat=True))
    assert states == {"published"}
