"""The part of training in the erasure of an account: its datasets are deleted, its runs end and are emptied.

What a worker holds at that moment is asked to end, and goes with the nightly sweep; what a version that stays public
rests on stays with it, as its record.
"""

from contextlib import suppress

from accounts.models import User
from training.errors import RunConflict
from training.models import Dataset, DatasetState, DeletionReason, TrainingRun
from training.services.forgetting import ERASED, run_erase, runs_without_result
from training.services.retention import dataset_delete, erased_name, is_in_use, words_forget
from training.services.runs import run_cancel
from training.states import ENDED, RunState


def runs_erase(user: User) -> int:
    """End every run under the person's own name and empty those that nothing rests on; how many were emptied."""
    mine = TrainingRun.objects.filter(owner__user=user)
    for run in mine.exclude(state__in=ENDED) | mine.filter(state=RunState.FAILED):
        with suppress(RunConflict):  # it is being ended already
            run_cancel(run=run, actor=user)
    empty = list(runs_without_result().filter(owner__user=user))
    for run in empty:
        run_erase(run=run)
    return len(empty)


def runs_renamed(user: User) -> dict[str, str]:
    """What stands for the names of adapters that runs were to make, also where none came of it."""
    names = TrainingRun.objects.filter(owner__user=user).values_list("adapter_name", flat=True)
    return dict.fromkeys(names, ERASED)


def datasets_renamed(user: User) -> dict[str, str]:
    """New names by old ones of every dataset that was ever under the person's own name."""
    mine = Dataset.objects.filter(owner__user=user)
    return {dataset.name: erased_name(dataset) for dataset in mine}


def datasets_erase(user: User) -> int:
    """Delete every dataset under the person's own name that no run needs at this moment; how many.

    Those that were deleted before lose the words that were kept of them.
    """
    mine = Dataset.objects.filter(owner__user=user, state=DatasetState.OPEN)
    free = [dataset for dataset in mine if not is_in_use(dataset)]
    for dataset in free:
        dataset_delete(dataset=dataset, actor=user, reason=DeletionReason.ERASED)
    for dataset in Dataset.objects.filter(owner__user=user, state=DatasetState.DELETED):
        words_forget(dataset)
    return len(free)
