"""Checkpoints go when nobody can need them, and not before."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tests.factories.training import make_run
from training.keeping import run_folder
from training.models import RunCheckpoint, TrainingRun
from training.services.forgetting import run_folders_forget
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
