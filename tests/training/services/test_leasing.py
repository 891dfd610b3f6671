"""A run under a worker: taken once, kept, given back, healed; what was asked of it goes first."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from tests.factories.accounts import make_organisation, make_user
from tests.factories.training import make_run
from training.models import RunLease, TrainingRun
from training.services.leasing import (
    MAX_FRUITLESS,
    LeaseLost,
    checkpoint_reached,
    classes_due,
    others_wait,
    run_alive,
    run_asked,
    run_broke_off,
    run_finish,
    run_progress,
    run_take,
    runs_heal,
)
from training.services.runs import run_cancel, run_pause, run_stop
from training.states import RunState, Wanted

pytestmark = pytest.mark.django_db
PROBLEM = {"code": "consent-ended", "what": "It ended.", "why": "Revoked.", "remedy": "Ask again."}


def fresh(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.get(pk=run.pk)


def expired(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_run_is_taken_once() -> None:
    run = make_run(state=RunState.QUEUED)
    taken = run_take(gpu_class="cpu", worker="a:1")
    assert taken == run
    assert taken.state == RunState.RUNNING
    assert run_take(gpu_class="cpu", worker="b:1") is None
    assert run.leases.get().ended_at is None


def test_another_class_is_another_queue() -> None:
    make_run(state=RunState.QUEUED, gpu_class="a100")
    assert run_take(gpu_class="cpu", worker="a:1") is None


def test_at_once_is_a_quota_of_the_person_in_every_queue(settings: object) -> None:
    make_run(state=RunState.RUNNING)
    second = make_run(state=RunState.QUEUED)
    assert run_take(gpu_class="cpu", worker="a:1") is None
    settings.TRAINING_AT_ONCE_PER_USER = 2  # type: ignore[attr-defined]
    assert run_take(gpu_class="cpu", worker="a:1") == second


def test_who_has_used_the_month_up_waits(settings: object) -> None:
    settings.TRAINING_SECONDS_A_MONTH_PER_USER = 100  # type: ignore[attr-defined]
    done = make_run(state=RunState.DONE)
    now = timezone.now()
    done.leases.update(started_at=now - timedelta(seconds=200), ended_at=now - timedelta(seconds=50))
    waiting = make_run(state=RunState.QUEUED)
    assert run_take(gpu_class="cpu", worker="a:1") is None
    done.leases.update(started_at=now - timedelta(days=40), ended_at=now - timedelta(days=39))
    assert run_take(gpu_class="cpu", worker="a:1") == waiting


def test_an_organisation_does_not_wait_behind_a_person_who_had_more() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    studio = make_organisation(bob, "studio")
    had = make_run(owner=ada, state=RunState.DONE)
    had.leases.update(started_at=timezone.now() - timedelta(hours=5))
    make_run(owner=ada, state=RunState.QUEUED)
    theirs = make_run(owner=bob, namespace=studio.namespace, state=RunState.QUEUED)
    assert run_take(gpu_class="cpu", worker="a:1") == theirs


def test_what_may_not_go_on_is_stopped_when_a_worker_takes_it() -> None:
    run = make_run(state=RunState.QUEUED)
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    other = make_run(owner=make_user("bob"), state=RunState.QUEUED)
    assert run_take(gpu_class="cpu", worker="a:1") == other
    stopped = fresh(run)
    assert stopped.state == RunState.STOPPED
    assert stopped.problem["code"] == "optout-match"


def test_a_base_without_weights_fails_with_what_to_do(settings: object) -> None:
    run = make_run(state=RunState.QUEUED)
    settings.BASE_MODEL_LOCATIONS = {}  # type: ignore[attr-defined]
    assert run_take(gpu_class="cpu", worker="a:1") is None
    assert fresh(run).state == RunState.FAILED
    assert "BASE_MODEL_LOCATIONS" in fresh(run).problem["remedy"]


def test_a_worker_that_is_gone_loses_it_and_another_goes_on() -> None:
    make_run(state=RunState.QUEUED)
    late = run_take(gpu_class="cpu", worker="a:1")
    assert late is not None
    checkpoint_reached(late, 20)
    expired(late)
    assert runs_heal() == 1
    again = run_take(gpu_class="cpu", worker="b:1")
    assert again is not None
    assert (again.attempts, again.checkpoint_step, again.leases.count()) == (2, 20, 2)
    assert not run_alive(late)
    for act in (lambda: run_asked(late), lambda: run_progress(late, step=3)):
        with pytest.raises(LeaseLost):
            act()
    with pytest.raises(LeaseLost), transaction.atomic():
        run_finish(run=late, to=RunState.DONE)


def test_it_gives_up_after_three_workers_without_a_checkpoint() -> None:
    run = make_run(state=RunState.QUEUED)
    for number in range(MAX_FRUITLESS):
        assert run_take(gpu_class="cpu", worker=f"w:{number}") is not None
        expired(run)
        assert runs_heal() == 1
    assert fresh(run).state == RunState.FAILED
    assert fresh(run).problem["code"] == "gave-up"


def test_a_new_checkpoint_starts_the_count_again() -> None:
    run = make_run(state=RunState.QUEUED)
    for number in range(2 * MAX_FRUITLESS):
        taken = run_take(gpu_class="cpu", worker=f"w:{number}")
        assert taken is not None
        checkpoint_reached(taken, 10 * (number + 1))
        expired(run)
        runs_heal()
    assert fresh(run).state == RunState.QUEUED


def test_an_unforeseen_error_hands_it_out_again_and_the_third_ends_it() -> None:
    run = make_run(state=RunState.QUEUED)
    for _ in range(MAX_FRUITLESS):
        taken = run_take(gpu_class="cpu", worker="a:1")
        assert taken is not None
        run_broke_off(run=taken, error=RuntimeError("/srv/secret/place"))
    assert fresh(run).state == RunState.FAILED
    assert "RuntimeError" in fresh(run).problem["why"]
    assert not any("secret" in event.text for event in run.events.all())


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda run, ada: run_pause(run=run, actor=ada), RunState.PAUSED),
        (lambda run, ada: run_cancel(run=run, actor=ada), RunState.CANCELLED),
        (lambda run, ada: run_stop(run=run, problem=PROBLEM), RunState.STOPPED),
    ],
)
def test_what_was_asked_of_a_worker_holds_also_when_it_dies(ask: object, expected: RunState) -> None:
    run = make_run(state=RunState.RUNNING)
    ask(run, User.objects.get(username="ada"))  # type: ignore[operator]
    expired(run)
    assert runs_heal() == 1
    assert fresh(run).state == expected
    assert fresh(run).wanted == Wanted.NOTHING


def test_a_stop_goes_before_being_done() -> None:
    run = make_run(state=RunState.FINISHING)
    run_stop(run=run, problem=PROBLEM)
    ended = run_finish(run=run, to=RunState.DONE)
    assert ended.state == RunState.STOPPED
    assert ended.problem["why"] == "Revoked."


def test_a_pause_that_comes_too_late_keeps_nothing_from_being_done() -> None:
    run = make_run(state=RunState.RUNNING)
    run_pause(run=run, actor=User.objects.get(username="ada"))
    assert run_finish(run=run, to=RunState.FINISHING).state == RunState.FINISHING


def test_time_is_counted_until_the_last_sign_of_life() -> None:
    run = make_run(state=RunState.RUNNING)
    now = timezone.now()
    RunLease.objects.filter(run=run).update(started_at=now - timedelta(seconds=100))
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=now - timedelta(seconds=40))
    runs_heal()
    assert fresh(run).seconds == pytest.approx(60, abs=1)
    assert run.leases.get().ended_as == RunState.QUEUED


def test_only_classes_with_a_free_worker_are_woken() -> None:
    make_run(state=RunState.QUEUED)
    assert classes_due() == ["cpu"]
    make_run(owner=make_user("bob"), state=RunState.RUNNING)
    assert classes_due() == []


def test_others_are_let_first_only_where_somebody_waits() -> None:
    run = make_run(state=RunState.RUNNING)
    make_run(state=RunState.QUEUED)  # one's own
    assert not others_wait(run)
    make_run(owner=make_user("bob"), state=RunState.QUEUED)
    assert others_wait(run)
