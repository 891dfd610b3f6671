"""A captioner is asked by a worker, and what it wrote is one edit; what people wrote is not written over."""

from typing import Any

import pytest
from django.test import override_settings

from accounts.models import User
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, drawn, make_dataset
from training.errors import CaptionerMissing, DatasetBusy
from training.models import Dataset, DatasetJob, EditKind, WorkState
from training.services import caption_running
from training.services.caption_running import captioning_run
from training.services.captioning import captioning_queue
from training.services.captions import caption_set, edit_undo
from training.services.retention import dataset_delete

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def dataset(ada: User) -> Dataset:
    made = make_dataset(ada)
    bring(made, {"a.png": drawn(1), "b.png": drawn(2), "b.txt": "my own words", "reg/1_shape/c.png": drawn(3)})
    made.pictures.filter(is_prior=True).update(caption="")
    return made


def run(dataset: Dataset, ada: User, **asked: Any) -> DatasetJob:
    job = captioning_queue(dataset=dataset, actor=ada, **{"captioner": "shapes", **asked})
    captioning_run(job_id=str(job.pk))
    job.refresh_from_db()
    return job


def captions(dataset: Dataset) -> dict[str, str]:
    return {row.name: row.caption for row in dataset.pictures.all()}


def test_missing_captions_are_written_with_the_trigger_word(dataset: Dataset, ada: User) -> None:
    job = run(dataset, ada)
    found = captions(dataset)
    assert (job.state, job.done, job.total) == (WorkState.DONE, 2, 2)
    assert found["a.png"].startswith("sks, a ")
    assert found["a.png"].endswith(" background")
    assert found["b.png"] == "my own words"
    assert "sks" not in found["c.png"], "a class picture is none of the thing"
    assert dataset.pictures.get(path="a.png").caption_by == "captioner shapes"


def test_all_captions_are_one_edit_that_can_be_undone(dataset: Dataset, ada: User) -> None:
    before = captions(dataset)
    run(dataset, ada, mode="all")
    assert captions(dataset)["b.png"] != "my own words"
    edit = dataset.edits.get(kind=EditKind.CAPTIONER)
    assert edit_undo(edit=edit, actor=ada) == 3
    assert captions(dataset) == before


def test_caption_written_meanwhile_stays(dataset: Dataset, ada: User) -> None:
    job = captioning_queue(dataset=dataset, actor=ada, captioner="shapes")
    real = caption_running._write

    def meanwhile(asked: DatasetJob) -> None:
        caption_set(picture=dataset.pictures.get(path="a.png"), actor=ada, caption="a person's")
        real(asked)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caption_running, "_write", meanwhile)
        captioning_run(job_id=str(job.pk))
    assert captions(dataset)["a.png"] == "a person's"


def test_what_was_proposed_before_a_crash_is_not_asked_again(dataset: Dataset, ada: User) -> None:
    job = captioning_queue(dataset=dataset, actor=ada, captioner="shapes", mode="all")
    asked: list[str] = []
    real = caption_running._ask

    def counted(made: Any, row: Any) -> str:
        asked.append(row.name)
        if len(asked) == 3:
            raise MemoryError
        return real(made, row)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caption_running, "SAVE_EVERY", 1)
        patched.setattr(caption_running, "_ask", counted)
        captioning_run(job_id=str(job.pk))
        captioning_run(job_id=str(job.pk))
    job.refresh_from_db()
    assert asked == ["a.png", "b.png", "c.png", "c.png"]
    assert job.state == WorkState.DONE


def test_one_captioner_at_a_time(dataset: Dataset, ada: User) -> None:
    captioning_queue(dataset=dataset, actor=ada, captioner="shapes")
    with pytest.raises(DatasetBusy):
        captioning_queue(dataset=dataset, actor=ada, captioner="shapes")


@pytest.mark.parametrize("asked", [{"captioner": "none"}, {"captioner": "shapes", "mode": "some"}])
def test_captioner_that_is_not_offered_is_refused(dataset: Dataset, ada: User, asked: dict[str, str]) -> None:
    with pytest.raises(CaptionerMissing):
        captioning_queue(dataset=dataset, actor=ada, **asked)


def test_captioner_whose_model_is_gone_fails_with_what_to_do(dataset: Dataset, ada: User) -> None:
    with override_settings(CAPTIONERS={"blip": "transformers:/nowhere/at/all"}):
        job = run(dataset, ada, captioner="blip")
    assert job.state == WorkState.FAILED
    assert "safetensors" in job.problem["remedy"]
    assert captions(dataset)["a.png"] == ""


def test_captioner_writes_nothing_into_the_row_of_a_deleted_dataset(dataset: Dataset, ada: User) -> None:
    job = captioning_queue(dataset=dataset, actor=ada, captioner="shapes", mode="all")
    real = caption_running._ask

    def meanwhile(made: Any, row: Any) -> str:
        if dataset.jobs.filter(pk=job.pk, state=WorkState.RUNNING).exists():
            dataset_delete(dataset=dataset, actor=ada)
        return real(made, row)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caption_running, "SAVE_EVERY", 1)
        patched.setattr(caption_running, "_ask", meanwhile)
        captioning_run(job_id=str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.params) == (WorkState.FAILED, {})
