"""Background work of training: runs by class of machine, exports, and the sweeps that heal and check them."""

import os
import socket
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import OperationalError

from moderation.models import Consent
from training.machines import machine_class
from training.models import DatasetJob, DatasetWork, TrainingRun
from training.services.alarms import alarm_escalate, alarms_escalating
from training.services.blocking import (
    blocks_of_deleted_lift,
    consent_ended_for,
    consents_lost,
    dataset_compare_again,
    datasets_compared_before,
)
from training.services.dataset_work import datasets_unscreened, screening_queue, works_due
from training.services.exports import exports_due
from training.services.forgetting import erased_runs_forget, run_contents_forget, run_folders_forget
from training.services.leasing import classes_due, runs_heal
from training.services.retention import (
    deletions_look_again,
    deletions_prove,
    edits_tidy_everywhere,
    erased_owners_delete,
    retention_enforce,
)
from training.services.run_states import RELATED
from training.services.withholding import (
    runs_at_work,
    runs_check,
    runs_making,
    runs_over,
    runs_resting_on,
    runs_to_hold,
)
from training.termination import pass_on

REPEATED: dict[str, Any] = {
    "autoretry_for": (OperationalError,),
    "retry_backoff": True,
    "max_retries": 5,
    "soft_time_limit": 240,
    "time_limit": 300,
}

worker_shutting_down.connect(pass_on)


@shared_task(soft_time_limit=30 * 86_400 - 60, time_limit=30 * 86_400)
def train_next(gpu_class: str) -> None:
    """A message only wakes a worker: which run is next, the database says."""
    # Imported here, and only here, so that no other process of the house ever loads torch.
    from training.execution import run_next

    if run_next(gpu_class=gpu_class, worker=f"{socket.gethostname()}:{os.getpid()}"):
        wake_workers()


@shared_task(soft_time_limit=3000, time_limit=3600)
def export_checkpoint(run_id: str, step: int) -> None:
    from training.execution import checkpoint_export

    run = TrainingRun.objects.select_related(*RELATED).get(public_id=run_id)
    checkpoint_export(run=run, step=step)  # a second message finds the work done, or another's


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_runs() -> None:
    """Take runs from workers that are gone, and wake workers whose message was lost."""
    runs_heal()
    wake_workers()
    for run in exports_due():
        ask_export(str(run.public_id), run.chosen_step or 0, run.gpu_class)


@shared_task(soft_time_limit=540, time_limit=600)
def forget_runs() -> None:
    """Remove what runs left that nobody can need any more, and what erased people's runs kept back."""
    # Imported here, and only here: it loads the matching of pictures.
    from training.services.trained import traces_forget

    run_folders_forget()
    run_contents_forget()
    erased_runs_forget()
    traces_forget()


@shared_task(soft_time_limit=240, time_limit=300)
def check_running() -> None:
    """Ask again about every run that waits or works or has a result out: the news of an ended right may be lost."""
    runs_check([*runs_at_work(), *runs_to_hold()])


@shared_task(**REPEATED)
def check_consent(consent_id: int) -> None:
    runs_check(runs_resting_on(Consent.objects.get(pk=consent_id)))


@shared_task(**REPEATED)
def check_dataset(dataset_id: int) -> None:
    runs_check(runs_over(dataset_id))


@shared_task(**REPEATED)
def check_line_of(version_id: int) -> None:
    runs_check(runs_making(version_id))


def wake(gpu_class: str) -> None:
    """Tell the workers of a class that there is something to do; one that sleeps too long finds the message gone."""
    train_next.apply_async(args=[gpu_class], queue=machine_class(gpu_class).queue, expires=300)


def wake_workers() -> None:
    for name in classes_due():
        wake(name)


def ask_export(run_id: str, step: int, gpu_class: str) -> None:
    export_checkpoint.apply_async(args=[run_id, step], queue=machine_class(gpu_class).queue, expires=300)


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=3500,
    time_limit=3600,
)
def run_dataset_work(job_id: str) -> None:
    """Take pictures in, screen them, or have them captioned: what the row says."""
    kind = DatasetJob.objects.values_list("kind", flat=True).get(pk=job_id)
    # Imported here, and only here: they load the decoders, detectors and captioners.
    if kind == DatasetWork.IMPORT:
        from training.services.import_running import import_run

        import_run(job_id=job_id)
    elif kind == DatasetWork.SCREEN:
        from training.services.dataset_screening import screening_run

        screening_run(job_id=job_id)
    else:
        from training.services.caption_running import captioning_run

        captioning_run(job_id=job_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_datasets() -> None:
    """Hand out again what lost its message or its worker, and prove what was deleted."""
    for dataset in datasets_unscreened():
        screening_queue(dataset=dataset)
    for alarm in alarms_escalating():
        alarm_escalate(alarm=alarm)
    for job_id in works_due():
        run_dataset_work.delay(job_id)
    deletions_prove()


@shared_task(soft_time_limit=240, time_limit=300)
def compare_datasets() -> None:
    """Look again at datasets, and at what was trained on, when the registers of other people's rights have changed."""
    # Imported here, and only here: it loads the matching of pictures.
    from training.services.trained import trained_compare

    blocks_of_deleted_lift()
    trained_compare()
    for consent_id in consents_lost():
        end_dataset_consent.delay(consent_id)
    for dataset_id in datasets_compared_before():
        dataset_compare_again(dataset_id=dataset_id)


@shared_task(**REPEATED)
def end_dataset_consent(consent_id: int) -> None:
    consent_ended_for(consent_id=consent_id)


@shared_task(soft_time_limit=3500, time_limit=3600)
def keep_datasets() -> None:
    """Delete datasets whose time is over or whose owner is erased, and old captions; what was deleted stays deleted."""
    erased_owners_delete()
    retention_enforce()
    edits_tidy_everywhere()
    deletions_prove()
    deletions_look_again()
