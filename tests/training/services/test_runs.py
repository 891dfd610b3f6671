"""Runs from their preparation on: what may start, who steers, what a moderator decides."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import Namespace, User
from governance.models import AuditEntry
from governance.policy import Use
from registry.errors import ConflictOfInterest
from registry.models import BaseModel
from tests.factories.accounts import make_organisation, make_user
from tests.factories.datasets import make_ready
from tests.factories.registry import catalogue
from tests.factories.training import make_run, recipe
from training.errors import RecipeRefused, RunConflict, RunNotAllowed, TrainingQuota
from training.models import TrainingRun
from training.services.runs import (
    RunPlan,
    run_cancel,
    run_pause,
    run_prepare,
    run_recheck,
    run_resume,
    run_retry,
    run_review,
    run_start,
    run_stop,
)
from training.states import RunState, Wanted

pytestmark = pytest.mark.django_db
PROBLEM = {"code": "consent-ended", "what": "It ended.", "why": "Revoked.", "remedy": "Ask again."}


@pytest.fixture
def ada() -> User:
    catalogue()
    return make_user("ada")


def plan(ada: User, **changes: object) -> RunPlan:
    given: dict[str, object] = {
        "dataset": make_ready(ada, pictures=5),
        "base_model": BaseModel.objects.get(slug="tinybase"),
        "config": recipe(),
        "adapter_name": "leaves",
        "intended_use": Use.PERSONAL.value,
        "gpu_class": "cpu",
    }
    return RunPlan(**{**given, **changes})  # type: ignore[arg-type]


def test_a_prepared_run_has_its_decisions_on_record_and_does_not_wait_yet(ada: User) -> None:
    run = run_prepare(actor=ada, plan=plan(ada))
    assert run.state == RunState.DRAFT
    assert run.decision is not None
    assert run.use_decision is not None
    assert (run.decision.action, run.decision.outcome) == ("training", "allow")
    assert run.use_decision.action == "personal"
    assert run.rights["training_sources"]
    assert run.estimate_seconds > 0
    assert AuditEntry.objects.filter(action="run.prepared", subject_id=str(run.public_id)).exists()
    started = run_start(run=run, actor=ada)
    assert started.state == RunState.QUEUED


def test_a_recipe_that_cannot_work_is_refused_by_its_setting(ada: User) -> None:
    from dataclasses import replace

    config = recipe()
    broken = replace(config, adapter=replace(config.adapter, rank=0))
    with pytest.raises(RecipeRefused) as refused, transaction.atomic():
        run_prepare(actor=ada, plan=plan(ada, config=broken))
    assert "adapter.rank" in refused.value.data["errors"]
    assert not TrainingRun.objects.exists()


def test_too_little_memory_is_refused_before_anything_is_spent(ada: User, settings: object) -> None:
    settings.TRAINING_CLASSES = {"cpu": "cpu/0.1/0/1"}  # type: ignore[attr-defined]
    with pytest.raises(RecipeRefused, match="GiB") as refused, transaction.atomic():
        run_prepare(actor=ada, plan=plan(ada))
    assert "gpu_class" in refused.value.data["errors"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"adapter_name": "No Name"}, "adapter_name"),
        ({"intended_use": "merging"}, "intended_use"),
        ({"gpu_class": "abacus"}, "gpu_class"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_its_field(ada: User, changes: dict[str, str], field: str) -> None:
    with pytest.raises(RecipeRefused) as refused, transaction.atomic():
        run_prepare(actor=ada, plan=plan(ada, **changes))
    assert field in refused.value.data["errors"]


@pytest.mark.parametrize("outcome", ["review", "deny"])
def test_what_is_not_allowed_does_not_start(outcome: str) -> None:
    run = make_run(outcome=outcome)
    with pytest.raises(RunNotAllowed), transaction.atomic():
        run_start(run=run, actor=run.created_by)
    assert TrainingRun.objects.get().state == RunState.DRAFT


def test_unknown_licences_and_missing_consents_are_left_to_a_person() -> None:
    unknown = make_run(manifest={"origin": "licensed", "licence_id": "nobody-knows-1.0", "source": "a shop"})
    assert unknown.decision is not None
    assert unknown.decision.outcome == "review"
    depicted = make_run(manifest={"depicts_real_person": True})
    assert depicted.decision is not None
    assert "likeness-without-consent" in {reason["code"] for reason in depicted.decision.reasons}


def test_the_intended_use_binds_before_anything_is_spent() -> None:
    nc = {"origin": "licensed", "licence_id": "cc-by-nc-4.0", "source": "an archive"}
    paid = make_run(manifest=nc, intended_use=Use.SELLING_WEIGHTS.value)
    assert paid.use_decision is not None
    assert paid.use_decision.outcome != "allow"
    with pytest.raises(RunNotAllowed), transaction.atomic():
        run_start(run=paid, actor=paid.created_by)


def test_a_block_that_came_after_the_decision_keeps_it_from_starting() -> None:
    run = make_run()
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    with pytest.raises(RunNotAllowed, match="opt-out"), transaction.atomic():
        run_start(run=run, actor=run.created_by)


def test_only_so_many_wait(settings: object) -> None:
    settings.TRAINING_WAITING_PER_USER = 1  # type: ignore[attr-defined]
    make_run(state=RunState.QUEUED)
    run = make_run()
    with pytest.raises(TrainingQuota), transaction.atomic():
        run_start(run=run, actor=run.created_by)


@pytest.mark.parametrize(("state", "act"), [(RunState.PAUSED, run_resume), (RunState.FAILED, run_retry)])
def test_going_on_is_no_way_past_the_queues_quota(settings: object, state: RunState, act: Any) -> None:
    settings.TRAINING_WAITING_PER_USER = 1  # type: ignore[attr-defined]
    make_run(state=RunState.QUEUED)
    run = make_run(state=state)
    with pytest.raises(TrainingQuota, match="1 runs of ada"), transaction.atomic():
        act(run=run, actor=run.created_by)


def test_pause_and_resume_of_what_waits_is_at_once() -> None:
    run = make_run(state=RunState.QUEUED)
    assert run_pause(run=run, actor=run.created_by).state == RunState.PAUSED
    assert run_resume(run=run, actor=run.created_by).state == RunState.QUEUED


def test_pause_of_what_runs_is_asked_and_can_be_taken_back() -> None:
    run = make_run(state=RunState.RUNNING)
    assert run_pause(run=run, actor=run.created_by).wanted == Wanted.PAUSE
    assert run_resume(run=run, actor=run.created_by).wanted == Wanted.NOTHING


def test_an_end_is_not_taken_back() -> None:
    run = make_run(state=RunState.RUNNING)
    run_cancel(run=run, actor=run.created_by)
    with pytest.raises(RunConflict), transaction.atomic():
        run_pause(run=run, actor=run.created_by)


@pytest.mark.parametrize("state", [RunState.DRAFT, RunState.QUEUED, RunState.PAUSED, RunState.FAILED])
def test_what_nobody_works_on_is_cancelled_and_stopped_at_once(state: RunState) -> None:
    assert run_cancel(run=make_run(state=state), actor=User.objects.get()).state == RunState.CANCELLED
    stopped = run_stop(run=make_run(state=state), problem=PROBLEM)
    assert (stopped.state, stopped.problem["code"]) == (RunState.STOPPED, "consent-ended")


@pytest.mark.parametrize("state", [RunState.DONE, RunState.CANCELLED, RunState.STOPPED])
def test_what_has_ended_is_left_alone(state: RunState) -> None:
    run = make_run(state=state)
    for service in (run_start, run_pause, run_resume, run_cancel, run_retry, run_recheck):
        with pytest.raises(RunConflict), transaction.atomic():
            service(run=run, actor=run.created_by)
    assert run_stop(run=run, problem=PROBLEM).state == state


def test_a_failed_run_is_tried_again_from_its_checkpoint() -> None:
    run = make_run(state=RunState.FAILED)
    again = run_retry(run=run, actor=run.created_by)
    assert (again.state, again.fruitless) == (RunState.QUEUED, 0)


def test_a_moderator_allows_what_was_left_to_a_person_and_it_stays_allowed() -> None:
    run = make_run(manifest={"depicts_real_person": True})
    moderator = make_user("mo", is_moderator=True)
    run_review(run=run, actor=moderator, approve=True, public_reasoning="The person is the owner herself.")
    run.refresh_from_db()
    started = run_start(run=run, actor=run.created_by)
    assert started.state == RunState.QUEUED
    from training.services.leasing import run_take

    assert run_take(gpu_class="cpu", worker="a:1") == run


def test_what_changes_after_a_moderators_decision_is_asked_again() -> None:
    run = make_run(manifest={"depicts_real_person": True})
    run_review(run=run, actor=make_user("mo", is_moderator=True), approve=True, public_reasoning="Seen.")
    run.refresh_from_db()
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    with pytest.raises(RunNotAllowed), transaction.atomic():
        run_start(run=run, actor=run.created_by)


def test_a_moderator_does_not_decide_about_their_own() -> None:
    mo = make_user("mo", is_moderator=True)
    studio = make_organisation(mo, "studio")
    own = make_run(owner=mo, manifest={"depicts_real_person": True})
    theirs = make_run(namespace=Namespace.objects.get(organisation=studio), manifest={"depicts_real_person": True})
    for run in (own, theirs):
        with pytest.raises(ConflictOfInterest), transaction.atomic():
            run_review(run=run, actor=mo, approve=True, public_reasoning="Fine.")


def test_a_refusal_by_a_moderator_holds() -> None:
    run = make_run(manifest={"depicts_real_person": True})
    run_review(run=run, actor=make_user("mo", is_moderator=True), approve=False, public_reasoning="No.")
    run.refresh_from_db()
    with pytest.raises(RunNotAllowed, match="No"), transaction.atomic():
        run_start(run=run, actor=run.created_by)
