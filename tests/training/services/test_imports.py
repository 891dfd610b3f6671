"""What is uploaded becomes pictures: every layout, what is refused with words, and what a crash leaves behind."""

import hashlib
import io

import pytest
from django.core.files.storage import default_storage
from django.test import override_settings
from PIL import Image

from accounts.models import User
from registry.models import Upload
from registry.services.uploads import upload_create, upload_path
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, make_dataset, photo, upload_of, zip_of
from training.errors import DatasetFull, UploadNotTaken
from training.models import DatasetJob, WorkState
from training.services.dataset_work import work_lease, works_due
from training.services.import_running import import_run
from training.services.imports import import_queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def told(job: DatasetJob) -> dict[str, str]:
    return {remark["path"]: remark["what"] for remark in job.remarks}


def test_folder_with_captions_and_config_is_taken_in(ada: User) -> None:
    dataset = make_dataset(ada, trigger="")
    job = bring(
        dataset,
        {
            "set/images/a.jpg": photo(1, form="JPEG"),
            "set/images/b.png": photo(2),
            "set/captions/a.txt": "zwx style, a wall",
            "set/config.json": '{"trigger": "zwx style"}',
        },
    )
    dataset.refresh_from_db()
    assert (job.state, job.done, job.total, job.remarks) == (WorkState.DONE, 2, 2, [])
    rows = {row.path: row for row in dataset.pictures.all()}
    assert {path: row.caption for path, row in rows.items()} == {
        "images/a.jpg": "zwx style, a wall",
        "images/b.png": "",
    }
    assert dataset.trigger == "zwx style"
    assert rows["images/a.jpg"].storage_key.endswith(".jpg")
    assert not Upload.objects.exists(), "what was taken in is not kept twice"


def test_original_digest_is_kept_and_its_metadata_are_not(ada: User) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    content = photo(1, form="JPEG", exif=exif)
    dataset = make_dataset(ada)
    bring(dataset, {"a.jpg": content})
    row = dataset.pictures.get()
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    with default_storage.open(row.storage_key) as file:
        stored = file.read()
    assert row.stored_sha256 == hashlib.sha256(stored).hexdigest() != row.sha256
    assert not Image.open(io.BytesIO(stored)).getexif()


def test_zip_in_kohyas_layout_is_taken_in(ada: User) -> None:
    dataset = make_dataset(ada, trigger="")
    content = zip_of(
        {"10_sks dog/a.png": photo(1), "10_sks dog/a.txt": "sks dog, red", "reg/1_dog/b.png": photo(2), "c.pdf": "x"}
    )
    job = bring(dataset, {"dogs.zip": content})
    dataset.refresh_from_db()
    rows = {row.name: row for row in dataset.pictures.all()}
    assert (rows["a.png"].repeats, rows["a.png"].caption, rows["a.png"].is_prior) == (10, "sks dog, red", False)
    assert rows["b.png"].is_prior
    assert (dataset.trigger, dataset.class_word) == ("sks", "dog")
    assert told(job) == {"c.pdf": "It is neither a picture nor a caption, and was left out."}


def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(ada: User) -> None:
    dataset = make_dataset(ada)
    good = photo(1)
    job = bring(
        dataset, {"a.png": good, "b.png": good, "c.png": b"no picture", "d.png": photo(2)[:500], "e.gif": b"GIF89a"}
    )
    assert [row.path for row in dataset.pictures.all()] == ["a.png"]
    found = told(job)
    assert found["b.png"] == "It is the same file as a.png."
    assert "no JPEG, PNG or WebP" in found["c.png"]
    assert "damaged" in found["d.png"]
    assert "GIF" in found["e.gif"]


def test_same_upload_again_changes_nothing(ada: User) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1), "a.txt": "one"})
    before = dataset.pictures.get()
    job = bring(dataset, {"a.png": photo(1), "a.txt": "two"})
    assert told(job) == {"a.png": "It is there already."}
    after = dataset.pictures.get()
    assert (after.pk, after.caption) == (before.pk, "one")


def test_other_picture_of_a_taken_path_gets_a_number(ada: User) -> None:
    dataset = make_dataset(ada)
    for seed in (1, 2, 3):
        bring(dataset, {"a.png": photo(seed)})
    assert [row.path for row in dataset.pictures.all()] == ["a (2).png", "a (3).png", "a.png"]


def test_captions_alone_go_to_the_pictures_of_their_name(ada: User) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"x/a.png": photo(1), "b.png": photo(2), "y/b.png": photo(3)})
    job = bring(dataset, {"a.txt": "new words", "b.txt": "for which?", "c.txt": "for none"})
    assert dataset.pictures.get(path="x/a.png").caption == "new words"
    assert told(job) == {"b.txt": "2 pictures have its name.", "c.txt": "No picture has its name."}


def test_bad_archive_fails_with_what_to_do(ada: User) -> None:
    dataset = make_dataset(ada)
    job = bring(dataset, {"a.zip": zip_of({"../../x.png": photo(1)})})
    assert job.state == WorkState.FAILED
    assert "not safe" in job.problem["why"]
    assert job.problem["remedy"]
    assert not dataset.pictures.exists()


@override_settings(DATASET_PICTURES_MAX=2)
def test_full_dataset_takes_no_more(ada: User) -> None:
    dataset = make_dataset(ada)
    job = bring(dataset, {f"{seed}.png": photo(seed) for seed in (1, 2, 3)})
    assert dataset.pictures.count() == 2
    assert "so this one was not taken" in told(job)["3.png"]
    with pytest.raises(DatasetFull):
        bring(dataset, {"4.png": photo(4)})


@override_settings(DATASET_PICTURE_BYTES=2000)
def test_file_beyond_its_bound_is_told(ada: User) -> None:
    dataset = make_dataset(ada)
    assert "larger than" in told(bring(dataset, {"a.png": photo(1)}))["a.png"]


def test_upload_that_has_not_arrived_is_refused(ada: User) -> None:
    dataset = make_dataset(ada)
    waiting = upload_create(actor=ada, namespace=ada.namespace, filename="a.png", length=10)
    with pytest.raises(UploadNotTaken, match="not arrived"):
        import_queue(dataset=dataset, actor=ada, uploads=[(waiting, "a.png")])
    with pytest.raises(UploadNotTaken, match="leads out"):
        import_queue(dataset=dataset, actor=ada, uploads=[(upload_of(ada, "b.png", b"x"), "../b.png")])
    with pytest.raises(UploadNotTaken):
        import_queue(dataset=dataset, actor=ada, uploads=[])


def test_import_that_broke_off_is_handed_out_again_and_takes_nothing_twice(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is gone after the second picture: its lease runs out, and another one goes on."""
    from training.services import import_running

    dataset = make_dataset(ada)
    uploads = [(upload_of(ada, f"{seed}.png", photo(seed)), f"{seed}.png") for seed in (1, 2, 3)]
    job = import_queue(dataset=dataset, actor=ada, uploads=uploads)
    real, count = import_running.picture_add, []

    def gone(**given: object) -> object:
        count.append(1)
        if len(count) == 3:
            raise MemoryError
        return real(**given)  # type: ignore[arg-type]

    monkeypatch.setattr(import_running, "picture_add", gone)
    import_run(job_id=str(job.pk))
    job.refresh_from_db()
    assert (job.state, dataset.pictures.count()) == (WorkState.QUEUED, 2)
    assert works_due() == [str(job.pk)]
    assert all(upload_path(upload.pk).exists() for upload, _ in uploads)
    monkeypatch.undo()
    import_run(job_id=str(job.pk))
    job.refresh_from_db()
    assert (job.state, dataset.pictures.count()) == (WorkState.DONE, 3)


def test_job_is_one_workers_at_a_time(ada: User) -> None:
    dataset = make_dataset(ada)
    job = import_queue(dataset=dataset, actor=ada, uploads=[(upload_of(ada, "a.png", photo(1)), "a.png")])
    assert work_lease(job_id=str(job.pk)) is not None
    import_run(job_id=str(job.pk))
    assert not dataset.pictures.exists()


def test_upload_that_is_gone_is_named(ada: User) -> None:
    dataset = make_dataset(ada)
    uploads = [(upload_of(ada, f"{seed}.png", photo(seed)), f"{seed}.png") for seed in (1, 2)]
    job = import_queue(dataset=dataset, actor=ada, uploads=uploads)
    upload_path(uploads[1][0].pk).unlink()
    import_run(job_id=str(job.pk))
    job.refresh_from_db()
    assert (job.state, dataset.pictures.count()) == (WorkState.DONE, 1)
    assert told(job) == {"2.png": "Its upload is not there any more."}
