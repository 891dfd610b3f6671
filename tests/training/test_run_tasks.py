"""The tasks of runs: messages wake workers, the rows decide, and no other process loads torch."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from moderation.consent_terms import EndReason
from moderation.services.consent_ends import consent_end
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent
from tests.factories.registry import make_version
from tests.factories.training import make_run
from tests.inference.messages import taken
from training import tasks
from training.models import Dataset, RunFile, TrainingRun
from training.services.runs import run_start
from training.signals import dataset_blocked
from training.states import RunState, Wanted

pytestmark = pytest.mark.django_db
NEXT = "training.tasks.train_next"


@pytest.fixture(autouse=True)
def _no_messages_of_others() -> None:
    for queue in ("train-cpu", "default"):
        taken(queue)


def test_starting_a_run_wakes_a_worker_of_its_class(django_capture_on_commit_callbacks: Any) -> None:
    run = make_run()
    with django_capture_on_commit_callbacks(execute=True):
        run_start(run=run, actor=run.created_by)
    assert taken("train-cpu") == [(NEXT, ["cpu"])]


def test_the_sweep_wakes_what_was_lost_and_takes_runs_from_the_dead() -> None:
    run = make_run(state=RunState.RUNNING)
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    tasks.sweep_runs()
    run.refresh_from_db()
    assert run.state == RunState.QUEUED
    assert taken("train-cpu") == [(NEXT, ["cpu"])]


def test_the_end_of_a_consent_reaches_the_run_that_works_under_it(django_capture_on_commit_callbacks: Any) -> None:
    ada = make_user("ada")
    consent = make_consent(ada)
    run = make_run(owner=ada, state=RunState.RUNNING, manifest={"depicts_real_person": True}, outcome="allow")
    TrainingRun.objects.filter(pk=run.pk).update(rights={**run.rights, "consent_ids": [str(consent.public_id)]})
    with django_capture_on_commit_callbacks(execute=True):
        consent_end(consent=consent, why=EndReason.REVOKED)
    assert ("training.tasks.check_consent", [consent.pk]) in taken("default")
    tasks.check_consent(consent.pk)
    run.refresh_from_db()
    assert run.wanted == Wanted.STOP
    assert run.problem["code"] == "likeness-without-consent"


def test_a_blocked_dataset_reaches_its_runs() -> None:
    run = make_run(state=RunState.QUEUED)
    dataset = run.snapshot.dataset
    dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    dataset_blocked.send(sender=Dataset, dataset_id=dataset.pk, code="optout-match")
    assert ("training.tasks.check_dataset", [dataset.pk]) in taken("default")
    tasks.check_dataset(dataset.pk)
    run.refresh_from_db()
    assert run.state == RunState.STOPPED


def test_news_that_was_lost_is_made_up_for() -> None:
    run = make_run(state=RunState.PAUSED)
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    tasks.check_running()
    run.refresh_from_db()
    assert run.state == RunState.STOPPED


def test_lost_news_about_a_finished_runs_result_is_made_up_for() -> None:
    run = make_run(state=RunState.DONE)
    version = make_version(actor=run.created_by)
    file = RunFile.objects.create(
        run=run, step=30, layout="kohya", filename="x", storage_key="k", sha256="0" * 64, size=1, max_difference=0
    )
    run.results.create(version=version, file=file, step=30)
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    tasks.check_running()
    version.refresh_from_db()
    assert version.state == VersionState.QUARANTINED


def test_a_checkpoint_that_is_written_already_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from training import execution

    run = make_run(state=RunState.DONE)
    TrainingRun.objects.filter(pk=run.pk).update(chosen_step=20)
    asked: list[int] = []
    monkeypatch.setattr(execution, "_export", lambda run, step: asked.append(step))
    tasks.export_checkpoint(str(run.public_id), 20)
    tasks.export_checkpoint(str(run.public_id), 20)  # it is held
    TrainingRun.objects.filter(pk=run.pk).update(export_until=None)
    RunFile.objects.create(
        run=run, step=20, layout="kohya", filename="x", storage_key="k", sha256="0" * 64, size=1, max_difference=0
    )
    tasks.export_checkpoint(str(run.public_id), 20)
    assert asked == [20]


def test_web_and_celery_do_not_load_torch() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings.test'; import django; django.setup(); "
        "import training.tasks, training.views.runs, training.api.runs, config.urls, training.engine.estimates; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'accelerate', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=settings.BASE_DIR
    )
    assert done.stdout.strip() == "[]"
