"""A worker's way with a run, with the real engine on the tiny base."""

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from accounts.models import User
from governance.policy import Use
from registry.models import BaseModel, Version
from tests.factories.accounts import make_user
from tests.factories.datasets import make_ready
from tests.factories.registry import catalogue
from tests.factories.training import make_run, recipe
from training.engine.config import TrainConfig
from training.models import EventKind, Level, PointKind, TrainingRun
from training.services.leasing import LeaseLost
from training.services.results import checkpoint_choose
from training.services.run_states import RELATED
from training.services.runs import RunPlan, run_cancel, run_pause, run_prepare, run_resume, run_start, run_stop
from training.states import RunState

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def queued(**changes: object) -> TrainingRun:
    catalogue()
    owner = User.objects.filter(username="ada").first() or make_user("ada")
    dataset = make_ready(owner, pictures=12)
    plan = RunPlan(
        dataset=dataset,
        base_model=BaseModel.objects.get(slug="tinybase"),
        config=recipe(**changes),
        adapter_name="leaves",
        intended_use=Use.PERSONAL.value,
        gpu_class="cpu",
    )
    run = run_prepare(actor=owner, plan=plan)
    assert run.decision is not None
    assert run.decision.outcome == "allow", run.decision.reasons
    return run_start(run=run, actor=owner)


def fresh(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.select_related(*RELATED).get(pk=run.pk)


def test_a_run_is_trained_and_becomes_a_draft() -> None:
    from training.execution import run_next

    run = queued()
    assert run_next(gpu_class="cpu", worker="test:1")
    run = fresh(run)
    assert run.state == RunState.DONE, run.problem
    assert run.step == 30
    assert run.seconds > 0
    assert run.points.filter(kind=PointKind.TRAINING).count() == 30
    assert run.points.filter(kind=PointKind.VALIDATION).exists()
    assert run.samples.filter(step=0).exists()
    assert run.samples.filter(step=30, with_trigger=True).exists()
    assert {file.layout for file in run.files.all()} >= {"kohya"}
    assert not run.events.filter(level=Level.ERROR).exists()
    version = Version.objects.get(training_result__run=run)
    assert version.state == "draft"
    assert version.trigger_words == ["sks"]
    assert version.samples.exists()
    assert run.events.filter(kind=EventKind.RESULT, data__version=version.pk).exists()


def test_nothing_is_done_where_nothing_waits() -> None:
    from training.execution import run_next

    assert not run_next(gpu_class="cpu", worker="test:1")


def test_another_checkpoint_is_written_and_takes_the_place_of_the_draft() -> None:
    from training.execution import checkpoint_export, run_next

    run = queued()
    run_next(gpu_class="cpu", worker="test:1")
    run = fresh(run)
    checkpoint_choose(run=run, actor=run.created_by, step=20)
    checkpoint_export(run=fresh(run), step=20)
    drafts = Version.objects.filter(training_result__run=run, state="draft")
    assert [version.training_result.step for version in drafts] == [20], list(
        run.events.values_list("text", flat=True)
    )[-4:]
    files = {file.step: file.sha256 for file in run.files.filter(layout="kohya")}
    assert files[20] != files[30]


def test_a_run_that_is_paused_goes_on_to_the_same_weights_as_one_that_is_not() -> None:
    from training.execution import run_next

    once = queued()
    run_next(gpu_class="cpu", worker="test:1")
    paused = again_over(once)
    pause = threading.Thread(target=pause_when, args=(paused.pk, 8))
    pause.start()
    run_next(gpu_class="cpu", worker="test:1")
    pause.join()
    assert fresh(paused).state == RunState.PAUSED
    assert 8 <= fresh(paused).step < 30
    run_resume(run=fresh(paused), actor=paused.created_by)
    run_next(gpu_class="cpu", worker="test:2")
    assert fresh(paused).state == RunState.DONE
    assert _weights(once) == _weights(paused)


def _weights(run: TrainingRun) -> dict[str, bytes]:
    """Tensors alone: the header of each file names its own run."""
    from safetensors.numpy import load

    file = run.files.get(layout="kohya")
    with default_storage.open(file.storage_key, "rb") as stored:
        return {name: tensor.tobytes() for name, tensor in load(stored.read()).items()}


def again_over(run: TrainingRun, *, gpu_class: str = "cpu") -> TrainingRun:
    """The same plan once more."""
    plan = RunPlan(
        dataset=run.snapshot.dataset,
        base_model=run.base_model,
        config=TrainConfig.from_json(run.recipe),
        adapter_name="leaves-again",
        intended_use=run.intended_use,
        gpu_class=gpu_class,
    )
    return run_start(run=run_prepare(actor=run.created_by, plan=plan), actor=run.created_by)


def pause_when(pk: int, step: int) -> None:
    """Somebody presses the button when they see that step."""
    while TrainingRun.objects.get(pk=pk).step < step:
        threading.Event().wait(0.02)
    run = TrainingRun.objects.get(pk=pk)
    run_pause(run=run, actor=run.created_by)
    connection.close()


def test_the_answer_to_go_on_follows_from_what_was_asked(settings: Any) -> None:
    from training.engine import Control
    from training.execution import Steering

    settings.TRAINING_AT_ONCE_PER_USER = 5
    ada = make_user("ada")
    told = threading.Event()
    pausing, ending, stopping = (make_run(owner=ada, state=RunState.RUNNING) for _ in range(3))
    assert Steering(pausing, told)() is Control.GO
    run_pause(run=pausing, actor=ada)
    assert Steering(pausing, told)() is Control.PAUSE
    run_cancel(run=ending, actor=ada)
    assert Steering(ending, told)() is Control.CANCEL
    run_stop(run=stopping, problem={"code": "x", "what": "x", "why": "x", "remedy": "x"})
    assert Steering(stopping, told)() is Control.CANCEL


def test_a_worker_that_is_told_to_end_and_one_whose_slice_is_over_pause(settings: Any) -> None:
    from training.engine import Control
    from training.execution import Steering

    settings.TRAINING_SLICE = timedelta(0)
    run, told = make_run(state=RunState.RUNNING), threading.Event()
    assert Steering(run, told)() is Control.GO  # nobody waits
    make_run(owner=make_user("bob"), state=RunState.QUEUED)
    assert Steering(run, told)() is Control.PAUSE
    settings.TRAINING_SLICE = timedelta(hours=1)
    steering = Steering(run, told)
    assert steering() is Control.GO
    told.set()
    assert steering() is Control.PAUSE


def test_a_run_that_is_anothers_by_now_is_left_alone() -> None:
    from training.execution import Steering

    run = make_run(state=RunState.RUNNING)
    TrainingRun.objects.filter(pk=run.pk).update(lease_token=uuid.uuid4())
    with pytest.raises(LeaseLost):
        Steering(run, threading.Event())()


def test_pictures_that_cannot_be_read_any_more_end_the_run_with_what_to_do() -> None:
    from training.execution import run_next

    run = make_run(state=RunState.QUEUED)  # its snapshot names pictures that were never stored
    assert run_next(gpu_class="cpu", worker="test:1")
    run = fresh(run)
    assert (run.state, run.problem["code"]) == (RunState.FAILED, "dataset-gone")
    assert run.problem["remedy"]


def test_a_worker_with_two_devices_trains_by_two_processes_to_the_same_weights(settings: Any) -> None:
    from training.execution import run_next

    settings.TRAINING_CLASSES = {"cpu": "cpu/4/0/1", "pair": "cpu*2/4/0/1"}
    alone = queued()
    run_next(gpu_class="cpu", worker="test:1")
    pair = again_over(alone, gpu_class="pair")
    run_next(gpu_class="pair", worker="test:2")
    pair = fresh(pair)
    assert pair.state == RunState.DONE, pair.problem
    assert pair.points.filter(kind=PointKind.TRAINING).count() == 30
    one, two = (weights_of(run) for run in (fresh(alone), pair))
    assert one.keys() == two.keys()
    for name, value in one.items():
        # Added up in another order, over 30 steps: single numbers whose gradient is near nothing may go either way.
        assert apart(value, two[name]) < 0.02, name


def weights_of(run: TrainingRun) -> dict[str, Any]:
    from safetensors.torch import load

    file = run.files.get(layout="kohya")
    with default_storage.open(file.storage_key, "rb") as stream:
        return dict(load(stream.read()))


def apart(one: Any, other: Any) -> float:
    """How far weights are from others, as a share of their norm."""
    return float((one.float() - other.float()).norm() / one.float().norm())
