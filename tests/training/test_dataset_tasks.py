"""The tasks of datasets: news queue them, sweeps make up for news that was lost, and engines stay in the workers."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site
from django.utils import timezone

from accounts.erasure import account_erase
from accounts.models import User
from moderation.consent_terms import Verification
from moderation.services.consent_answers import consent_revoke
from moderation.services.consents import consent_verify
from moderation.signals import consent_ended
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent
from tests.factories.datasets import bring, make_dataset, make_ready, photo, upload_of
from tests.factories.optout import register_as
from training import receivers, tasks
from training.models import Dataset, DatasetDeletion, DatasetJob, PictureState, WorkState
from training.services.captioning import captioning_queue
from training.services.datasets import consent_link
from training.services.imports import import_queue
from training.services.retention import EDITS_KEPT, dataset_delete
from training.services.snapshots import snapshot_take
from training.signals import dataset_job_queued

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What would have gone to the broker, in order."""
    sent: list[tuple[str, Any]] = []
    for name in ("run_dataset_work", "end_dataset_consent"):
        task = getattr(tasks, name)
        monkeypatch.setattr(task, "delay", lambda *args, name=name: sent.append((name, args[0])))
    return sent


def test_web_and_scheduler_load_no_detector_and_no_captioner() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings.test'; import django; django.setup(); "
        "import training.tasks, config.urls, config.wsgi, training.views.datasets, training.api.datasets; "
        "print(sorted({'torch', 'transformers', 'cv2', 'dlib', 'onnxruntime', 'faiss', 'pdqhash'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=site.BASE_DIR)
    assert done.stdout.strip() == "[]"


def test_each_kind_of_work_is_done_by_its_task() -> None:
    ada = make_user("ada")
    dataset = make_dataset(ada)
    uploads = [(upload_of(ada, f"{n}.png", photo(n)), f"{n}.png") for n in (1, 2, 3)]
    tasks.run_dataset_work(str(import_queue(dataset=dataset, actor=ada, uploads=uploads).pk))
    tasks.run_dataset_work(str(DatasetJob.objects.get(kind="screen").pk))
    tasks.run_dataset_work(str(captioning_queue(dataset=dataset, actor=ada, captioner="shapes").pk))
    assert set(DatasetJob.objects.exclude(kind="screen").values_list("state", flat=True)) == {WorkState.DONE}
    assert dataset.pictures.exclude(caption="").count() == 3


def test_news_queues_the_work(queued: list[tuple[str, Any]], django_capture_on_commit_callbacks: Any) -> None:
    dataset = make_dataset()
    with django_capture_on_commit_callbacks(execute=True):
        bring(dataset, {"a.png": photo(1)})
    jobs = [str(pk) for pk in DatasetJob.objects.order_by("created_at").values_list("pk", flat=True)]
    assert queued == [("run_dataset_work", pk) for pk in jobs]
    assert receivers.run_queued_work in [ref() for _, ref, *_ in dataset_job_queued.receivers]
    queued.clear()
    consent_ended.send(sender=None, consent_id=7)
    assert ("end_dataset_consent", 7) in queued


def test_lost_message_dead_worker_and_lost_news_are_made_up_for(queued: list[tuple[str, Any]]) -> None:
    dataset = make_dataset()
    bring(dataset, {"a.png": photo(1)})
    job = DatasetJob.objects.get(kind="screen")
    tasks.sweep_datasets()
    assert queued == [("run_dataset_work", str(job.pk))], "its message was lost"
    queued.clear()
    DatasetJob.objects.filter(pk=job.pk).update(
        state=WorkState.RUNNING, lease_until=timezone.now() + timedelta(hours=1)
    )
    tasks.sweep_datasets()
    assert queued == [], "a worker is at it"
    DatasetJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    tasks.sweep_datasets()
    assert queued == [("run_dataset_work", str(job.pk))], "its worker is gone"
    queued.clear()
    DatasetJob.objects.all().delete()
    tasks.sweep_datasets()
    assert [name for name, _ in queued] == ["run_dataset_work"], "nobody had been told at all"
    assert DatasetJob.objects.get().kind == "screen"


def test_work_over_which_workers_die_ends_with_words() -> None:
    dataset = make_dataset()
    bring(dataset, {"a.png": photo(1)})
    job = DatasetJob.objects.get(kind="screen")
    DatasetJob.objects.filter(pk=job.pk).update(attempts=3)
    tasks.run_dataset_work(str(job.pk))
    job.refresh_from_db()
    assert job.state == WorkState.FAILED
    assert job.problem["remedy"]
    assert dataset.pictures.get().state == PictureState.WAITING, "no pass"


def test_new_opt_out_and_lost_end_of_a_consent_are_found_by_the_sweep(queued: list[tuple[str, Any]]) -> None:
    ada, mo = make_user("ada"), make_user("mo", is_moderator=True)
    dataset = make_ready(ada, pictures=4)
    consent = consent_verify(consent=make_consent(ada), actor=mo, method=Verification.DOCUMENT, note="Seen.")
    consent_link(dataset=dataset, actor=ada, consent=consent)
    tasks.run_dataset_work(str(DatasetJob.objects.filter(kind="screen").exclude(state="done").get().pk))
    dataset.refresh_from_db()
    snapshot_take(dataset=dataset, actor=ada)
    tasks.compare_datasets()
    assert queued == []
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    consent_revoke(consent=consent)
    tasks.compare_datasets()
    assert queued == [("end_dataset_consent", consent.pk)]
    assert set(dataset.pictures.values_list("looked_at", flat=True)) == {None}
    tasks.end_dataset_consent(consent.pk)
    assert dataset.blocks.get().code == "consent-ended"
    queued.clear()
    tasks.compare_datasets()
    assert queued == [], "it is known now"


def test_nightly_task_deletes_and_proves() -> None:
    old, asked = make_dataset(make_user("ada"), "old"), make_dataset(make_user("bob"), "asked")
    Dataset.objects.filter(pk=old.pk).update(
        last_used_at=timezone.now() - timedelta(days=40), created_at=timezone.now() - timedelta(days=40)
    )
    dataset_delete(dataset=asked, actor=asked.created_by)
    tasks.keep_datasets()
    assert DatasetDeletion.objects.filter(proved_at__isnull=False).count() == 2


def test_nightly_task_forgets_old_captions() -> None:
    many, few = make_dataset(make_user("ada"), "many"), make_dataset(make_user("bob"), "few")
    for number in range(EDITS_KEPT + 2):
        many.edits.create(kind="append", changes={"x": ["before", str(number)]})
    few.edits.create(kind="append")
    tasks.keep_datasets()
    assert (many.edits.count(), few.edits.count()) == (EDITS_KEPT, 1)
    assert many.edits.all()[0].changes == {"x": ["before", str(EDITS_KEPT + 1)]}


def test_datasets_of_an_erased_person_go(django_capture_on_commit_callbacks: Any) -> None:
    ada, bob = make_user("ada"), make_user("bob")
    make_dataset(ada), make_dataset(bob)
    account_erase(user=ada)
    User.objects.filter(pk=bob.pk).update(is_active=False)  # locked out, not erased
    tasks.keep_datasets()
    assert list(DatasetDeletion.objects.values_list("reason", flat=True)) == ["erased"]
    assert Dataset.objects.get(owner=bob.namespace).state == "open"


def test_every_wait_ends() -> None:
    assert tasks.run_dataset_work.acks_late
    assert tasks.run_dataset_work.soft_time_limit < tasks.run_dataset_work.time_limit
    scheduled = {entry["task"] for entry in site.CELERY_BEAT_SCHEDULE.values()}
    assert {f"training.tasks.{name}" for name in ("sweep_datasets", "compare_datasets", "keep_datasets")} <= scheduled
