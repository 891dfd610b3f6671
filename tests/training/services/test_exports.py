"""Chosen checkpoints wait for one worker at a time, no more than there is room for, and their time is charged."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.factories.accounts import make_user
from tests.factories.training import make_run
from tests.training.services.test_results import done, written
from training.errors import TrainingQuota
from training.models import RunCheckpoint, RunLease, TrainingRun
from training.services.exports import (
    MAX_ATTEMPTS,
    export_alive,
    export_broke_off,
    export_claim,
    export_end,
    exports_due,
)
from training.services.results import checkpoint_choose

pytestmark = pytest.mark.django_db


def chosen(step: int = 10, **given: Any) -> TrainingRun:
    run = done(**given)
    RunCheckpoint.objects.create(run=run, step=step, path=f"step-{step}")
    return checkpoint_choose(run=run, actor=run.created_by, step=step)


def test_one_worker_at_a_time_and_another_when_it_is_gone() -> None:
    run = chosen()
    first = export_claim(run=run, step=10)
    assert first is not None
    assert export_claim(run=run, step=10) is None, "it is held"
    assert exports_due() == []
    TrainingRun.objects.filter(pk=run.pk).update(export_until=timezone.now() - timedelta(seconds=1))
    assert exports_due() == [run], "its worker is gone"
    second = export_claim(run=run, step=10)
    assert second is not None
    assert not export_alive(first), "the late worker finds another's lease"
    assert not export_end(run=first, seconds=5)
    assert export_alive(second)


def test_the_time_is_charged_and_the_lease_given_back() -> None:
    run = chosen()
    before = run.seconds
    claimed = export_claim(run=run, step=10)
    assert claimed is not None
    written(run, 10)
    assert export_end(run=claimed, seconds=40)
    run.refresh_from_db()
    assert (run.seconds, run.export_until, run.chosen_step) == (before + 40, None, 10)
    lease = RunLease.objects.get(run=run, ended_as="export")
    assert lease.ended_at is not None
    assert (lease.ended_at - lease.started_at).total_seconds() == 40
    assert export_claim(run=run, step=10) is None, "it is written"


def test_what_breaks_off_again_and_again_is_given_up_with_its_reason() -> None:
    run = chosen()
    for _ in range(MAX_ATTEMPTS):
        claimed = export_claim(run=run, step=10)
        assert claimed is not None
        export_broke_off(claimed)
    assert export_claim(run=run, step=10) is None
    run.refresh_from_db()
    assert (run.chosen_step, run.export_attempts) == (None, 0)
    assert run.events.filter(data__code="export-gave-up").exists()
    again = checkpoint_choose(run=run, actor=run.created_by, step=10)
    assert export_claim(run=again, step=10) is not None


def test_another_choice_takes_the_lease_away() -> None:
    run = chosen()
    claimed = export_claim(run=run, step=10)
    assert claimed is not None
    RunCheckpoint.objects.create(run=run, step=20, path="step-20")
    checkpoint_choose(run=run, actor=run.created_by, step=20)
    assert not export_alive(claimed)
    assert export_claim(run=run, step=10) is None
    assert export_claim(run=run, step=20) is not None


def test_only_so_many_wait_to_be_written(settings: Any) -> None:
    settings.TRAINING_EXPORTS_PER_USER = 1
    chosen(adapter_name="one")
    other = done(adapter_name="two")
    RunCheckpoint.objects.create(run=other, step=10, path="step-10")
    with pytest.raises(TrainingQuota, match="1 chosen checkpoints"), transaction.atomic():
        checkpoint_choose(run=other, actor=other.created_by, step=10)
    checkpoint_choose(run=other, actor=other.created_by, step=30)  # its files are there: nothing is to be written
    eve = make_run(owner=make_user("eve"))
    assert eve.created_by != other.created_by
    chosen(owner=eve.created_by, adapter_name="three")


def test_no_time_on_the_machines_left_is_none_for_exports(settings: Any) -> None:
    settings.TRAINING_SECONDS_A_MONTH_PER_USER = 0
    with pytest.raises(TrainingQuota, match="used up"), transaction.atomic():
        chosen()
