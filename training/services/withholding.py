"""What follows when a right ends: runs that rest on it stop, and what was made by them is taken out of circulation."""

import logging
import random
from collections.abc import Collection, Iterable
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet

from governance.services import audited
from moderation.consent_terms import ConsentScope
from moderation.models import Consent
from moderation.selectors.consents import grantee_consents, live
from moderation.services.recall import Held, recall_write
from registry.models import Version
from registry.services.holding import version_quarantine
from registry.services.versions import version_withdraw
from registry.states import VersionState
from training.models import DatasetBlock, EventKind, Level, RunResult, TrainingRun
from training.models.runs import problem_of
from training.selectors.rights import blocks_against
from training.services.run_states import RELATED, run_locked, run_log
from training.services.runs import run_stop
from training.services.standing import HELD_BACK, run_obstacle
from training.states import RunState

log = logging.getLogger(__name__)

CODE = "training-right-ended"
SWEEP = 100  # runs with results that one sweep asks about
IN_CIRCULATION = (VersionState.PUBLISHED, VersionState.IN_REVIEW)
STOPPABLE = (RunState.DRAFT, RunState.QUEUED, RunState.RUNNING, RunState.PAUSED, RunState.FINISHING, RunState.FAILED)
REMEDY = "When the right holds again, a moderator can publish it again. You may appeal the decision."
WHAT_TO_DO = (
    "Stop using the adapter, stop offering pictures made with it, and delete every copy that you hold. Then confirm it "
    "on this page."
)


def runs_over(dataset_id: int) -> list[TrainingRun]:
    """Every run over a dataset, whatever its state."""
    return _runs(Q(snapshot__dataset=dataset_id))


def runs_resting_on(consent: Consent) -> list[TrainingRun]:
    """Every run that was decided about with this consent."""
    return _runs(Q(rights__consent_ids__contains=[str(consent.public_id)]))


def runs_making(version_id: int) -> list[TrainingRun]:
    """The run that a version came from."""
    return _runs(Q(results__version=version_id))


def runs_at_work() -> list[TrainingRun]:
    """Every run that waits or works."""
    return _runs(Q(state__in=[RunState.QUEUED, RunState.RUNNING, RunState.PAUSED, RunState.FINISHING]))


def runs_to_hold() -> list[TrainingRun]:
    """Runs in any state with a result still out (or a draft) over which a block stands or a consent has ended.

    At most SWEEP of them, in random order: those that fail each time keep no other from its turn.
    """
    standing = DatasetBlock.objects.filter(cleared_at=None, dataset=OuterRef("run__snapshot__dataset"))
    blocked = standing.filter(Q(picture=None) | Q(snapshots=OuterRef("run__snapshot")))
    out = RunResult.objects.filter(version__state__in=[*IN_CIRCULATION, VersionState.DRAFT])
    found = set(out.filter(Exists(blocked)).values_list("run_id", flat=True)) | _consent_lost(out)
    return _runs(Q(pk__in=random.sample(sorted(found), min(len(found), SWEEP))))


def _consent_lost(results: QuerySet[RunResult]) -> set[int]:
    """Runs of which a consent does not let its owner train that adapter any more, as `result_obstacle` has it."""
    owner = ("run__owner__user", "run__owner__organisation")
    resting = results.filter(run__rights__consent_ids__0__isnull=False)
    rows = list(resting.values_list("run", *owner, "run__owner__slug", "run__adapter_name", "run__rights__consent_ids"))
    wanted = {consent for *_, consents in rows for consent in consents}
    held = live().filter(public_id__in=wanted, scopes__contains=[ConsentScope.TRAINING])
    given = {(str(one.public_id), one.grantee_user_id, one.grantee_organisation_id): one.adapters for one in held}
    return {
        run
        for run, user, organisation, slug, name, consents in rows
        if not all(_lets(given.get((one, user, organisation)), f"{slug}/{name}") for one in consents)
    }


def _lets(adapters: Collection[str] | None, name: str) -> bool:
    """Whether a consent for these adapters covers one; none are named where it is for all, None is no consent."""
    return adapters is not None and (not adapters or name in adapters)


def _runs(which: Q) -> list[TrainingRun]:
    return list(TrainingRun.objects.filter(which).select_related(*RELATED).order_by("pk").distinct())


def runs_check(runs: Iterable[TrainingRun]) -> int:
    """Ask again about each; how many were stopped or had a result held back. One that fails keeps no other from it.

    What failed is asked again by the next sweep. Raises OperationalError at the end where the database was away.
    """
    count, away = 0, None
    for run in runs:
        try:
            count += _check(run)
        except OperationalError as error:
            away = error
    if away is not None:
        raise away  # the task is repeated
    return count


def _check(run: TrainingRun) -> bool:
    try:
        stopped = _stop_where_it_must(run)
        return _hold_where_it_must(run) or stopped
    except (OperationalError, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("The rights behind run %s could not be followed; the next sweep tries again.", run.public_id)
        return False


def _stop_where_it_must(run: TrainingRun) -> bool:
    if run.state not in STOPPABLE:
        return False
    problem = run_obstacle(run)
    if problem is None or (run.state == RunState.DRAFT and not _was_allowed(run)):
        return False
    run_stop(run=run, problem=problem)
    return True


def _was_allowed(run: TrainingRun) -> bool:
    """A draft that never was is not stopped: its people may yet make up for what is missing."""
    return all(record is not None and record.outcome == "allow" for record in (run.decision, run.use_decision))


def _hold_where_it_must(run: TrainingRun) -> bool:
    if not run.results.exclude(version__state__in=[VersionState.WITHDRAWN, VersionState.TAKEN_DOWN]).exists():
        return False
    problem = result_obstacle(run)
    return problem is not None and results_hold(run=run, problem=problem) > 0


def result_obstacle(run: TrainingRun) -> dict[str, Any] | None:
    """What stands against results in circulation now: a consent that ended, or blocked pictures of its snapshot.

    The dataset may be deleted by then, as it should be: what stood against it, and what it rested on, is asked for all
    the same.
    """
    block = blocks_against(run.snapshot).first()
    if block is not None:
        return _problem(block.code, block.message)
    wanted = set(run.rights.get("consent_ids", ()))
    name = f"{run.owner.slug}/{run.adapter_name}"
    given = grantee_consents(owner=run.owner, scope=ConsentScope.TRAINING, adapter_name=name)
    if wanted - {str(consent.public_id) for consent in given}:
        return _problem("consent-ended", "A person whose consent the training rested on has taken it back.")
    return None


def is_held_back(run: TrainingRun) -> bool:
    """Whether nobody gets a file of the run at this moment, its own people included."""
    return result_obstacle(run) is not None or run.results.filter(version__state__in=HELD_BACK).exists()


def _problem(code: str, why: str) -> dict[str, Any]:
    what = "It was held back: a right that its training rested on does not hold any more."
    return problem_of(code=code, what=what, why=why, remedy=REMEDY)


@audited()
def results_hold(*, run: TrainingRun, problem: dict[str, Any]) -> int:
    """Hold back what is in circulation with the reasons, withdraw drafts, and tell those who hold a receipt.

    What is being scanned meets `result_obstacle` when it would be published, and the sweep when it is in circulation.
    """
    run = run_locked(run)
    results = run.results.select_related("version__adapter__owner", "version__created_by", "version__decision")
    versions = [result.version for result in results.order_by("version__adapter_id", "version_id")]
    held = [_hold(version, problem) for version in versions if version.state in IN_CIRCULATION]
    for version in versions:
        if version.state == VersionState.DRAFT:
            version_withdraw(version=version, actor=run.created_by, reason=problem["why"])
    if held:
        recall_write(
            versions=held,
            cause=f"training-{problem['code']}",
            reason_code=CODE,
            public_text=problem["what"],
            what_to_do=WHAT_TO_DO,
        )
        run_log(
            run,
            EventKind.RESULT,
            f"{problem['what']} {problem['why']}",
            level=Level.ERROR,
            data={"code": problem["code"]},
        )
    return len(held)


def _hold(version: Version, problem: dict[str, Any]) -> Held:
    before = version.state
    record = version_quarantine(
        version=version,
        actor=None,
        code=problem["code"],
        what=problem["what"],
        why=problem["why"],
        remedy=problem["remedy"],
    )
    return Held(version, before, record)
