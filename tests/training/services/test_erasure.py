"""An erased account: its datasets and runs go with it, its words are nowhere, and the chain stays whole."""

import json
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.models import User
from accounts.services import user_register
from moderation.models import ErasedVia
from moderation.selectors.personal_data import USER_PARTS
from moderation.services.data_erasure import Choices, user_erase
from moderation.services.data_export import archive
from registry.storage import store_bytes
from tests.factories.accounts import PASSWORD, make_organisation, make_user
from tests.factories.datasets import make_ready, photo
from tests.factories.registry import make_version
from tests.factories.training import make_run
from tests.governance.tampering import verify
from tests.moderation.dumping import tables_with
from tests.training.services.test_results import written
from training.models import Dataset, DatasetState, EventKind, RunResult, RunSample, TrainingRun
from training.services.forgetting import erased_runs_forget
from training.services.results import result_draft
from training.services.retention import erased_owners_delete
from training.services.run_states import run_log
from training.states import RunState, Wanted

pytestmark = pytest.mark.django_db
NAME, EMAIL = "zelda-quixote", "zelda.q@distinct.example"
WORDS = (NAME, EMAIL, "zeldas", "zelda")


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def zelda() -> User:
    return user_register(username=NAME, email=EMAIL, password=PASSWORD, display_name="Zelda")


def run_of(zelda: User, state: RunState, dataset: Dataset) -> TrainingRun:
    run = make_run(
        owner=zelda, dataset=dataset, state=state, title="Zelda herself", adapter_name="zeldas-face",
        trigger="zeldas", manifest={"source": f"By {NAME}/album, {EMAIL}"},
    )  # fmt: skip
    run_log(run, EventKind.MESSAGE, f"Version 1 of {NAME}/zeldas-face is a draft.")
    return run


def sampled(run: TrainingRun) -> RunSample:
    key = f"training/{run.public_id}/s.png"
    store_bytes(content=photo(1), key=key)
    return RunSample.objects.create(
        run=run, step=5, prompt="zeldas on a hill", template="{trigger} on a hill", seed=1, with_trigger=True,
        storage_key=key, sha256="0" * 64, size=4, width=8, height=8,
    )  # fmt: skip


def erase(user: User) -> None:
    user_erase(user=user, choices=Choices(), via=ErasedVia.ACCOUNT)


def test_erased_persons_datasets_and_runs_are_found_nowhere(zelda: User) -> None:
    dataset = make_ready(zelda, "zeldas-set", pictures=3, title="Zelda's set", source=f"Photographs by {NAME}/x")
    run = run_of(zelda, RunState.DONE, dataset)
    sampled(run)
    written(run, 30)
    result_draft(run=run, actor=zelda, step=30)
    assert {"training_trainingrun", "training_dataset", "governance_decisionrecord"} <= tables_with(*WORDS).keys()
    erase(zelda)
    erased_runs_forget()  # the draft was withdrawn with the account, after the runs had their turn
    assert tables_with(*WORDS) == {}
    run.refresh_from_db()
    assert (run.state, run.recipe, run.samples.count()) == (RunState.DONE, {}, 0)
    assert Dataset.objects.get(pk=dataset.pk).state == DatasetState.DELETED
    assert "the chain is whole" in verify()


def test_contents_leave_the_storage(zelda: User, django_capture_on_commit_callbacks: Any) -> None:
    dataset = make_ready(zelda, pictures=3)
    run = run_of(zelda, RunState.FAILED, dataset)
    keys = [sampled(run).storage_key, written(run, 30).storage_key]
    keys += dataset.pictures.values_list("storage_key", flat=True)
    assert all(default_storage.exists(key) for key in keys)
    with django_capture_on_commit_callbacks(execute=True):
        erase(zelda)
    assert not any(default_storage.exists(key) for key in keys)
    run.refresh_from_db()
    assert (run.state, run.title) == (RunState.CANCELLED, "erased")


def test_what_a_worker_holds_is_asked_to_end_and_goes_afterwards(zelda: User) -> None:
    dataset = make_ready(zelda, "zeldas-set", pictures=3)
    run = run_of(zelda, RunState.RUNNING, dataset)
    erase(zelda)
    run.refresh_from_db()
    assert (run.state, run.wanted) == (RunState.RUNNING, Wanted.CANCEL)
    assert Dataset.objects.get(pk=dataset.pk).state == DatasetState.OPEN
    TrainingRun.objects.filter(pk=run.pk).update(state=RunState.CANCELLED, lease_token=None, lease_until=None)
    assert erased_runs_forget() == 1
    assert erased_owners_delete() == 1
    assert tables_with(*WORDS) == {}


def test_what_a_version_rests_on_that_others_decide_about_stays(zelda: User) -> None:
    run = run_of(zelda, RunState.DONE, make_ready(zelda, pictures=3))
    version = make_version(actor=zelda)
    RunResult.objects.create(run=run, version=version, file=written(run, 30), step=30)
    type(version).objects.filter(pk=version.pk).update(state="taken-down")
    erase(zelda)
    run.refresh_from_db()
    assert run.recipe != {}
    assert erased_runs_forget() == 0


def test_an_organisations_runs_and_datasets_are_its_own(zelda: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(bob, members={"maintainer": zelda})
    run = make_run(owner=zelda, namespace=studio.namespace, state=RunState.DONE)
    erase(zelda)
    run.refresh_from_db()
    assert run.recipe != {}
    assert run.snapshot.dataset.state == DatasetState.OPEN


def test_export_holds_datasets_and_runs() -> None:
    ada = make_user("ada")
    dataset = make_ready(ada, pictures=3)
    run = make_run(owner=ada, dataset=dataset, state=RunState.DONE)
    sampled(run)
    make_run(owner=make_user("eve"), state=RunState.DONE)
    (found,) = USER_PARTS["datasets"](ada)
    assert found["name"] == "leaves"
    assert [one["caption"] for one in found["pictures"]] == [f"sks, picture {n} of many shapes" for n in (1, 2, 3)]
    (made,) = USER_PARTS["training_runs"](ada)
    assert (made["owner"], made["base_model"], len(made["samples"])) == ("ada", "tinybase", 1)
    assert made["recipe"] == run.recipe
    parts = {name: (lambda read=read: read(ada)) for name, read in USER_PARTS.items()}
    assert json.dumps("leaves").encode() not in archive({}, who="ada")
    assert len(archive(parts, who="ada")) > 1000, "every value can be written"
