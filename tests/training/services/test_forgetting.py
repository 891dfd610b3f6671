"""Checkpoints, samples and files go when nobody can need them, and not before."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from registry.services.uploads import quota_left
from registry.states import VersionState
from registry.storage import store_bytes
from tests.factories.registry import make_version
from tests.factories.training import make_run
from training.keeping import run_folder
from training.models import RunCheckpoint, RunFile, RunResult, RunSample, TrainingRun
from training.selectors.runs import run_bytes
from training.services.forgetting import run_contents_forget, run_folders_forget
from training.states import RunState

pytestmark = pytest.mark.django_db


def kept(state: RunState) -> TrainingRun:
    run = make_run(state=state)
    folder = run_folder(run) / "step-10"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    RunCheckpoint.objects.create(run=run, step=10, path="step-10")
    TrainingRun.objects.filter(pk=run.pk).update(checkpoint_step=10)
    return run


@pytest.mark.parametrize(
    ("state", "days", "goes"),
    [
        (RunState.STOPPED, 0, True),
        (RunState.CANCELLED, 0, True),
        (RunState.DONE, 0, False),
        (RunState.DONE, 1, True),
        (RunState.FAILED, 0, False),
        (RunState.FAILED, 1, True),
        (RunState.PAUSED, 1, False),
    ],
)
def test_checkpoints_are_kept_for_as_long_as_they_may_be_needed(state: RunState, days: int, goes: bool) -> None:
    run = kept(state)
    if days:
        past = timezone.now() - settings.DATASET_RETENTION - timedelta(days=days)
        TrainingRun.objects.filter(pk=run.pk).update(finished_at=past)
    assert run_folders_forget() == int(goes)
    assert run_folder(run).exists() is not goes
    run.refresh_from_db()
    assert run.checkpoint_step == (0 if goes else 10)
    assert run_folders_forget() == 0


def with_contents(state: RunState, days: float) -> TrainingRun:
    run = make_run(state=state)
    for name in ("s.png", "w.safetensors"):
        store_bytes(content=b"1234", key=f"training/{run.public_id}/{name}")
    about = {"run": run, "step": 5, "sha256": "0" * 64, "size": 4}
    RunSample.objects.create(
        **about, prompt="a", template="a", seed=1, with_trigger=False, width=8, height=8,
        storage_key=f"training/{run.public_id}/s.png",
    )  # fmt: skip
    RunFile.objects.create(
        **about, layout="kohya", filename="x", max_difference=0, storage_key=f"training/{run.public_id}/w.safetensors"
    )
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=days))
    return run


@pytest.mark.parametrize(
    ("state", "days", "goes"),
    [
        (RunState.STOPPED, 13, False),
        (RunState.STOPPED, 15, True),
        (RunState.CANCELLED, 15, True),
        (RunState.FAILED, 13, False),
        (RunState.FAILED, 15, True),
        (RunState.DONE, 15, False),
        (RunState.DONE, 31, True),
        (RunState.PAUSED, 31, False),
    ],
)
def test_samples_and_files_of_what_came_to_nothing_have_their_time(
    state: RunState, days: int, goes: bool, django_capture_on_commit_callbacks: Any
) -> None:
    run = with_contents(state, days)
    keys = [f"training/{run.public_id}/{name}" for name in ("s.png", "w.safetensors")]
    assert run_bytes(run.owner) == 8
    with django_capture_on_commit_callbacks(execute=True):
        assert run_contents_forget() == int(goes)
    assert [default_storage.exists(key) for key in keys] == [not goes, not goes]
    assert run_bytes(run.owner) == (0 if goes else 8)
    assert run.files.get().removed_at is not None or not goes
    assert run_contents_forget() == 0


@pytest.mark.parametrize("state", [VersionState.PUBLISHED, VersionState.QUARANTINED])
def test_what_a_version_rests_on_stays(state: VersionState) -> None:
    run = with_contents(RunState.DONE, 99)
    version = make_version(actor=run.created_by)
    RunResult.objects.create(run=run, version=version, file=run.files.get(), step=5)
    if state != version.state:
        type(version).objects.filter(pk=version.pk).update(state=state)
    assert run_contents_forget() == 0
    type(version).objects.filter(pk=version.pk).update(state=VersionState.WITHDRAWN)
    assert run_contents_forget() == 1


def test_samples_and_files_count_against_the_quota() -> None:
    run = with_contents(RunState.CANCELLED, 0)
    before = quota_left(namespace=run.owner)
    RunSample.objects.update(size=1004)
    assert quota_left(namespace=run.owner) == before - 1000
