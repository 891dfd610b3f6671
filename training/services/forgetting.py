"""What a run leaves on the workers' disks and in the store goes when nobody can need it any more."""

from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.erasure import is_erased
from governance.models import DecisionRecord
from governance.redaction import Redaction, rows_redact
from governance.services import audited
from registry.states import VersionState
from training.keeping import folder_forget
from training.models import RunFile, RunResult, RunSample, TrainingRun
from training.services.pictures import blobs_delete
from training.services.standing import SUBJECT
from training.states import ENDED, RunState

SWEEP = 50
ERASED = "erased"  # in place of the title of a run whose owner is


def run_folders_forget() -> int:
    """Remove checkpoints of runs that were stopped or cancelled, and of others when their dataset's time is over.

    What was published stays: it is the version's. How many runs there were.
    """
    long_ago = timezone.now() - settings.DATASET_RETENTION
    over = Q(state__in=[RunState.STOPPED, RunState.CANCELLED]) | Q(state__in=ENDED, finished_at__lt=long_ago)
    rows = TrainingRun.objects.filter(over, checkpoints__removed_at=None, checkpoints__isnull=False).distinct()
    forgotten = list(rows.order_by("pk")[:SWEEP])
    for run in forgotten:
        _forget(run)
    return len(forgotten)


def _forget(run: TrainingRun) -> None:
    """A run that is tried again after this begins anew."""
    folder_forget(run)
    run.checkpoints.filter(removed_at=None).update(removed_at=timezone.now())
    TrainingRun.objects.filter(pk=run.pk, state__in=ENDED).update(checkpoint_step=0)


def runs_without_result() -> QuerySet[TrainingRun]:
    """Ended runs of which no version is out, a draft, or evidence: their samples and files serve nobody else."""
    standing = RunResult.objects.filter(run=OuterRef("pk")).exclude(version__state=VersionState.WITHDRAWN)
    return TrainingRun.objects.filter(~Exists(standing), state__in=ENDED)


def run_contents_forget() -> int:
    """Remove samples and written files of runs that came to nothing, when their time is over; how many runs."""
    now = timezone.now()
    failed = Q(state__in=[RunState.STOPPED, RunState.CANCELLED, RunState.FAILED])
    over = failed & Q(finished_at__lt=now - settings.TRAINING_ENDED_RETENTION)
    over |= Q(state=RunState.DONE, finished_at__lt=now - settings.DATASET_RETENTION)
    sampled = Exists(RunSample.objects.filter(run=OuterRef("pk")))
    written = Exists(RunFile.objects.filter(run=OuterRef("pk"), removed_at=None))
    rows = list(runs_without_result().filter(over).filter(sampled | written).order_by("finished_at")[:SWEEP])
    for run in rows:
        run_content_forget(run=run)
    return len(rows)


@transaction.atomic
def run_content_forget(*, run: TrainingRun) -> int:
    """Remove the samples and the content of the written files of a run; how many files that were."""
    files = RunFile.objects.filter(run=run, removed_at=None)
    samples = RunSample.objects.filter(run=run)
    keys = sorted({*files.values_list("storage_key", flat=True), *samples.values_list("storage_key", flat=True)})
    files.update(removed_at=timezone.now())
    samples.delete()
    transaction.on_commit(partial(blobs_delete, keys))
    return len(keys)


def erased_runs_forget() -> int:
    """What erased people's runs kept back: those that still ran then, or had a version to decide about. How many."""
    rows = (
        runs_without_result().filter(owner__user__is_active=False).exclude(title=ERASED).select_related("owner__user")
    )
    gone = [run for run in rows[:SWEEP] if run.owner.user is not None and is_erased(run.owner.user)]
    for run in gone:
        run_erase(run=run)
    return len(gone)


@audited()
def run_erase(*, run: TrainingRun) -> None:
    """Empty an ended run of what its owner wrote and made; digests, times and the log's codes stay as the record."""
    run_content_forget(run=run)
    RunFile.objects.filter(run=run).update(filename=f"{ERASED}.safetensors")
    run.checkpoints.filter(removed_at=None).update(removed_at=timezone.now())
    words: dict[str, Any] = {"title": ERASED, "adapter_name": f"{ERASED}-{run.pk}", "trigger": "", "recipe": {}}
    rest: dict[str, Any] = {"reasons": {}, "warnings": [], "proposal": {}, "checkpoint_step": 0}
    rest["rights"] = {**run.rights, "training_sources": []}
    records = DecisionRecord.objects.filter(subject_type=SUBJECT, subject_id=str(run.public_id))
    changes = [Redaction(run, {**words, **rest}), *(Redaction(record, _unnamed(record)) for record in records)]
    rows_redact(redactions=changes, actor=None, subject=(SUBJECT, str(run.public_id)), ground="erasure")
    transaction.on_commit(partial(folder_forget, run))


def _unnamed(record: DecisionRecord) -> dict[str, Any]:
    """A decision without the words of whoever asked: the run's title, and where its pictures are said to be from."""
    declared = record.request.get("declarations")
    if not declared:
        return {"subject_label": ERASED}
    emptied = {**record.request, "declarations": {**declared, "training_sources": []}}
    return {"subject_label": ERASED, "request": emptied}
