"""From the page to the worker: what is sent on commit arrives, and what was lost is handed out again."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail

from config.celery import app
from moderation.models import OptOutEntry, OptOutImport, OptOutPicture, OptOutRegistration
from moderation.selectors.optout import names_found, works_found
from moderation.selectors.optout_index import MANIFEST, index_folder
from moderation.services.optout import optout_confirm, optout_register
from moderation.tasks import keep_optout_index, refresh_optout_lists, sweep_optout
from tests.factories.accounts import make_user
from tests.factories.optout import (
    csv_of,
    index_forget,
    make_picture,
    names,
    picture_bytes,
    queue_import,
    secret_in,
    submission,
)

pytestmark = pytest.mark.django_db
PICTURE = picture_bytes(make_picture())


@pytest.fixture
def _worker() -> Iterator[None]:
    """Tasks run where they are sent."""
    app.conf.task_always_eager, app.conf.task_eager_propagates = True, True
    yield
    app.conf.task_always_eager, app.conf.task_eager_propagates = False, False


@pytest.fixture
def _no_index() -> Iterator[None]:
    shutil.rmtree(index_folder(), ignore_errors=True)
    index_forget()
    yield
    shutil.rmtree(index_folder(), ignore_errors=True)
    index_forget()


@pytest.mark.usefixtures("_worker", "_no_index")
def test_news_reach_the_worker(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        optout_register(
            submission=submission(*names("Greg Rutkowski"), pictures={"Shore": PICTURE}), email="a@example.org"
        )
        job = queue_import(csv_of("name,Ada Lovelace"))
    assert OptOutPicture.objects.get().state == "prepared"
    assert OptOutImport.objects.get(pk=job.pk).state == "done"
    optout_confirm(secret=secret_in(str(mail.outbox[0].body)))
    assert [hit.title for hit in works_found(PICTURE)] == ["Shore"]
    assert len(names_found("greg rutkowski, ada lovelace")) == 2


@pytest.mark.usefixtures("_worker")
def test_sweep_makes_up_for_what_was_lost() -> None:
    optout_register(submission=submission(*names("Greg Rutkowski"), pictures={"Shore": PICTURE}), email="a@example.org")
    queue_import(csv_of("name,Ada Lovelace"))
    sweep_optout()  # nothing was committed, so nothing was sent
    assert OptOutPicture.objects.get().state == "prepared"
    assert OptOutImport.objects.get().state == "done"
    assert len(mail.outbox) == 1
    OptOutRegistration.objects.update(expires_at="2026-01-01T00:00Z")
    sweep_optout()
    assert [entry.text for entry in OptOutEntry.objects.all()] == ["Ada Lovelace"]
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("_worker", "_no_index")
def test_index_is_kept_by_the_scheduler() -> None:
    keep_optout_index()
    assert not (index_folder() / MANIFEST).exists()
    optout_register(submission=submission(pictures={"Shore": PICTURE}), user=make_user())
    sweep_optout()
    keep_optout_index()
    assert (index_folder() / MANIFEST).exists()


@pytest.mark.usefixtures("_worker")
def test_nightly_task_asks_every_list(settings: Any) -> None:
    settings.OPTOUT_LISTS = {"one": "http://127.0.0.1:9/a.csv", "two": "http://127.0.0.1:9/b.csv"}
    refresh_optout_lists()
    assert sorted(OptOutImport.objects.values_list("source__name", "state")) == [("one", "failed"), ("two", "failed")]


def test_schedule_names_tasks_that_exist(settings: Any) -> None:
    app.loader.import_default_modules()
    planned = {entry["task"] for name, entry in settings.CELERY_BEAT_SCHEDULE.items() if name.startswith("optout")}
    assert len(planned) == 3
    assert planned <= set(app.tasks)
