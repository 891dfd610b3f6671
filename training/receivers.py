"""What training does on news: one line per handler."""

from typing import Any

from django.dispatch import receiver

from moderation.signals import consent_ended
from registry.signals import version_withheld
from training.signals import checkpoint_chosen, dataset_blocked, dataset_job_queued, run_queued
from training.tasks import (
    ask_export,
    check_consent,
    check_dataset,
    check_line_of,
    end_dataset_consent,
    run_dataset_work,
    wake,
)


@receiver(run_queued)
def wake_a_worker(gpu_class: str, **_: Any) -> None:
    wake(gpu_class)


@receiver(checkpoint_chosen)
def export_chosen(run_id: str, step: int, gpu_class: str, **_: Any) -> None:
    ask_export(run_id, step, gpu_class)


@receiver(consent_ended)
def check_runs_under(consent_id: int, **_: Any) -> None:
    check_consent.delay(consent_id)


@receiver(dataset_blocked)
def check_runs_over(dataset_id: int, **_: Any) -> None:
    check_dataset.delay(dataset_id)


@receiver(version_withheld)
def check_run_of(version_id: int, **_: Any) -> None:
    check_line_of.delay(version_id)


@receiver(dataset_job_queued)
def run_queued_work(job_id: str, **_: Any) -> None:
    run_dataset_work.delay(job_id)


@receiver(consent_ended)
def end_consent_of_datasets(consent_id: int, **_: Any) -> None:
    end_dataset_consent.delay(consent_id)
