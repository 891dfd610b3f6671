"""A right that ends stops what rests on it and takes what was made from it out of circulation."""

from typing import Any

import pytest
from django.db import OperationalError

from governance.policy import Use
from moderation.consent_terms import EndReason
from moderation.models import Recall
from moderation.services.consent_ends import consent_end
from registry.errors import TransitionRefused
from registry.models import Version
from registry.services.policy import version_components
from registry.services.versions import version_publish
from registry.standing import obstacle_to
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent, make_receipt
from tests.factories.registry import make_submitted, make_version
from tests.factories.training import make_run
from training.models import RunFile, RunResult, TrainingRun
from training.services import withholding
from training.services.retention import dataset_delete
from training.services.withholding import (
    runs_at_work,
    runs_check,
    runs_making,
    runs_over,
    runs_resting_on,
    runs_to_hold,
)
from training.states import RunState, Wanted

pytestmark = pytest.mark.django_db


def result_of(run: TrainingRun, version: Version) -> RunResult:
    file = RunFile.objects.create(
        run=run, step=30, layout="kohya", filename="x", storage_key="k", sha256="0" * 64, size=1, max_difference=0
    )
    return RunResult.objects.create(run=run, version=version, file=file, step=30)


def block(run: TrainingRun) -> None:
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names one of its pictures.")


def test_nothing_is_stopped_while_all_holds() -> None:
    run = make_run(state=RunState.QUEUED)
    assert runs_check(runs_at_work()) == 0
    assert TrainingRun.objects.get(pk=run.pk).state == RunState.QUEUED


def test_a_block_stops_what_waits_and_tells_who_works() -> None:
    waiting = make_run(state=RunState.QUEUED)
    dataset = waiting.snapshot.dataset
    working = make_run(state=RunState.RUNNING, dataset=dataset, manifest={"title": "another"})
    block(waiting)
    assert runs_check(runs_over(dataset.pk)) == 2
    waiting.refresh_from_db()
    working.refresh_from_db()
    assert waiting.state == RunState.STOPPED
    assert (working.state, working.wanted) == (RunState.RUNNING, Wanted.STOP)
    assert working.problem["code"] == "optout-match"


def test_a_block_holds_back_what_was_published_with_reasons_and_a_recall() -> None:
    run = make_run(state=RunState.DONE)
    version = make_version(actor=run.created_by)
    result_of(run, version)
    assert obstacle_to(version, Use.PERSONAL) is None
    block(run)
    assert runs_check(runs_over(run.snapshot.dataset_id)) == 1
    version.refresh_from_db()
    assert version.state == VersionState.QUARANTINED
    assert "opt-out" in version.state_detail["why"]
    assert Recall.objects.get().reason_code == "training-right-ended"
    assert runs_check(runs_over(run.snapshot.dataset_id)) == 0  # once is enough
    obstacle = obstacle_to(version, Use.PUBLISH)
    assert obstacle is not None
    assert obstacle.code == "optout-match"


def test_a_consent_that_ends_stops_the_run_that_was_decided_about_with_it() -> None:
    ada = make_user("ada")
    consent = make_consent(ada)
    run = make_run(owner=ada, state=RunState.QUEUED)
    done = make_run(owner=ada, state=RunState.DONE)
    TrainingRun.objects.filter(pk=done.pk).update(rights={**done.rights, "consent_ids": [str(consent.public_id)]})
    version = make_version(actor=ada)
    result_of(done, version)
    assert runs_check(runs_resting_on(consent)) == 0
    consent_end(consent=consent, why=EndReason.REVOKED)
    assert runs_check(runs_resting_on(consent)) == 1
    version.refresh_from_db()
    assert version.state == VersionState.QUARANTINED
    run.refresh_from_db()
    assert run.state == RunState.QUEUED  # it rests on nobody


def test_a_result_that_was_taken_away_stops_what_its_run_still_does() -> None:
    run = make_run(state=RunState.FAILED)
    version = make_version(actor=run.created_by)
    result_of(run, version)
    Version.objects.filter(pk=version.pk).update(state=VersionState.QUARANTINED)
    assert runs_check(runs_making(version.pk)) == 1
    run.refresh_from_db()
    assert (run.state, run.problem["code"]) == (RunState.STOPPED, "result-held-back")


def test_what_it_was_trained_on_is_among_what_binds_the_version() -> None:
    manifest = {"origin": "licensed", "licence_id": "cc-by-sa-4.0", "source": "an archive"}
    run = make_run(manifest=manifest)
    version = make_version(actor=run.created_by)
    before = version_components(version)
    result_of(run, version)
    added = set(version_components(version)) - set(before)
    assert {component.licence_id for component in added} == {"cc-by-sa-4.0"}
    assert not any("leaves" in component.name for component in added)  # private datasets are not named


def test_what_stood_against_a_deleted_dataset_stands_on_and_says_nothing_of_its_pictures() -> None:
    run = make_run(state=RunState.DONE)
    version = make_version(actor=run.created_by)
    result_of(run, version)
    block(run)
    dataset_delete(dataset=run.snapshot.dataset, actor=run.created_by)
    kept = run.snapshot.dataset.blocks.get()
    assert (kept.cleared_at, "picture" in kept.ref, "opt-out" in kept.message) == (None, False, False)
    obstacle = obstacle_to(version, Use.PERSONAL)
    assert obstacle is not None
    assert obstacle.code == "optout-match"
    assert runs_check(runs_to_hold()) == 1
    version.refresh_from_db()
    assert version.state == VersionState.QUARANTINED


def test_deletion_tells_of_what_stands(django_capture_on_commit_callbacks: Any, monkeypatch: Any) -> None:
    run, clear = make_run(state=RunState.DONE), make_run(state=RunState.DONE)
    block(run)
    told: list[int] = []
    monkeypatch.setattr("training.receivers.check_dataset.delay", told.append)
    with django_capture_on_commit_callbacks(execute=True):
        for one in (run, clear):
            dataset_delete(dataset=one.snapshot.dataset, actor=one.created_by)
    assert told == [run.snapshot.dataset_id]


@pytest.mark.parametrize("deleted", [False, True])
def test_what_is_being_scanned_when_a_block_comes_is_not_published(deleted: bool) -> None:
    run = make_run(state=RunState.DONE)
    version = make_submitted(actor=run.created_by)
    assert version.state == VersionState.SCANNING
    result_of(run, version)
    block(run)
    if deleted:
        dataset_delete(dataset=run.snapshot.dataset, actor=run.created_by)
    assert runs_check(runs_over(run.snapshot.dataset_id)) == 0
    version.refresh_from_db()
    assert version.state == VersionState.SCANNING
    with pytest.raises(TransitionRefused, match="cannot be published"):
        version_publish(version=version, actor=None, decision=run.decision)
    run.snapshot.dataset.blocks.update(cleared_at=run.created_at)
    assert obstacle_to(version, Use.PUBLISH) is None


def test_a_finished_run_whose_news_was_lost_is_found_by_the_sweep_and_receipts_are_told() -> None:
    run, clear = make_run(state=RunState.DONE), make_run(state=RunState.DONE)
    for one in (run, clear):
        result_of(one, make_version(actor=one.created_by, name=f"leaves-{one.pk}"))
    version = run.results.get().version
    make_receipt(version, make_user("grace"))
    assert runs_to_hold() == []
    block(run)
    assert runs_to_hold() == [run]
    assert runs_check(runs_to_hold()) == 1
    version.refresh_from_db()
    assert version.state == VersionState.QUARANTINED
    assert Recall.objects.get().notices.count() == 1
    assert runs_to_hold() == []


@pytest.mark.parametrize("adapters", [[], ["ada/leaves"]])
def test_a_finished_run_whose_consent_ended_unheard_is_found_by_the_sweep(adapters: list[str]) -> None:
    ada = make_user("ada")
    consent = make_consent(ada)
    type(consent).objects.filter(pk=consent.pk).update(adapters=adapters)
    run = make_run(owner=ada, state=RunState.DONE)
    result_of(run, make_version(actor=ada))
    TrainingRun.objects.filter(pk=run.pk).update(rights={**run.rights, "consent_ids": [str(consent.public_id)]})
    assert runs_to_hold() == []
    type(consent).objects.filter(pk=consent.pk).update(adapters=["ada/another"])
    assert runs_to_hold() == [run]
    type(consent).objects.filter(pk=consent.pk).update(adapters=adapters)
    consent_end(consent=consent, why=EndReason.REVOKED)
    assert runs_to_hold() == [run]
    assert runs_check(runs_to_hold()) == 1
    assert runs_to_hold() == []


@pytest.mark.parametrize("error", [ZeroDivisionError, OperationalError])
def test_one_runs_error_is_logged_and_stops_no_other(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_run(state=RunState.QUEUED)
    second = make_run(state=RunState.QUEUED, dataset=first.snapshot.dataset, manifest={"title": "another"})
    block(first)
    real = withholding.run_stop

    def stop(*, run: TrainingRun, problem: dict[str, Any]) -> Any:
        if run.pk == first.pk:
            raise error("unforeseen")
        return real(run=run, problem=problem)

    monkeypatch.setattr(withholding, "run_stop", stop)
    if error is OperationalError:  # the task is repeated, after all were asked about
        with pytest.raises(OperationalError):
            runs_check(runs_at_work())
    else:
        assert runs_check(runs_at_work()) == 1
        assert str(first.public_id) in caplog.text
    second.refresh_from_db()
    assert second.state == RunState.STOPPED
