"""What a run leaves on the workers' disks and in the store goes when nobody can need it any more."""

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from training.keeping import folder_forget
from training.models import TrainingRun
from training.states import ENDED, RunState

SWEEP = 50


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
