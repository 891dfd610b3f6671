"""Rendering for real: a starter adapter on the tiny base, through everything that can go wrong on the way."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import default_storage
from django.db.models.signals import post_save
from PIL import Image

from accounts.models import User
from inference.engine import BaseSpec, RenderRequest, load_base, read_marks, render
from inference.models import PreviewJob
from inference.picture_texts import TRAINED
from inference.plan import SEED, SETTINGS
from inference.rendering import preview_render
from inference.services.previews import MAX_ATTEMPTS, preview_cancel, preview_queue, preview_retry
from inference.states import JobState
from moderation.services.screening import version_screen_now
from registry.models import Version, VersionImage
from tests.factories.registry import make_version, stored_file
from tests.inference.conftest import STARTER
from tests.safetensors_bytes import lora_bytes, safetensors_bytes

pytestmark = pytest.mark.django_db
torch.set_num_threads(1)
PROMPT = "striped a large blue star in the centre on a yellow background"


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not need good pictures."""
    monkeypatch.setitem(SETTINGS, "tinybase", replace(SETTINGS["tinybase"], steps=3))


@pytest.fixture
def version(ada: User) -> Version:
    """A starter adapter, as its uploader declares it."""
    return _starter(ada, "striped", "striped", PROMPT)


def _starter(ada: User, name: str, trigger: str, *prompts: str) -> Version:
    path = STARTER / f"{name}.safetensors"
    return make_version(
        actor=ada,
        name=name,
        content=path.read_bytes(),
        filename=path.name,
        declared={"trigger_words": (trigger,), "preview_prompts": prompts},
    )


def _run(job: PreviewJob, worker: str = "here") -> PreviewJob:
    preview_render(job_id=str(job.pk), worker=worker)
    job.refresh_from_db()
    return job


def _images(version: Version) -> list[VersionImage]:
    return list(version.images.order_by("row", "column"))


def _pixels(image: VersionImage) -> np.ndarray:
    with default_storage.open(image.storage_key, "rb") as file, Image.open(io.BytesIO(file.read())) as picture:
        return np.asarray(picture)


@contextmanager
def _when_stored(number: int, do: Callable[[], Any]) -> Iterator[None]:
    """Something happens in the moment in which the picture of this number is put on the version."""
    seen: list[object] = []

    def handler(**_: Any) -> None:
        seen.append(None)
        if len(seen) == number:
            do()

    post_save.connect(handler, sender=VersionImage)
    try:
        yield
    finally:
        post_save.disconnect(handler, sender=VersionImage)
    assert len(seen) >= number, "it never happened"


def _fail(error: Exception) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


def test_job_renders_four_strengths_of_one_seed_and_none_of_its_word(job: PreviewJob, version: Version) -> None:
    assert _run(job).state == JobState.DONE
    assert (job.pictures_done, job.share, job.problem, job.attempts) == (6, 1.0, {}, 1)
    assert job.lease_until is None
    images = _images(version)
    assert [(image.row, image.column, image.strength) for image in images] == [
        (0, 0, 0.0), (0, 1, 0.5), (0, 2, 0.75), (0, 3, 1.0), (1, 0, 0.0), (1, 1, 1.0),
    ]  # fmt: skip
    assert {(image.shows, image.seed, image.prompt, image.base_model) for image in images} == {
        ("strength", SEED, PROMPT, "tinybase"),
        ("plain", SEED, PROMPT.removeprefix("striped "), "tinybase"),
    }
    pixels = [_pixels(image) for image in images]
    assert {array.shape for array in pixels} == {(64, 64, 3)}
    for other in pixels[1:]:
        assert np.abs(pixels[0].astype(int) - other).mean() > 1
    version.adapter.refresh_from_db()
    assert version.adapter.thumbnail == ""  # nobody has looked at them yet
    version_screen_now(version_id=version.pk)
    version.adapter.refresh_from_db()
    assert version.adapter.thumbnail == str(images[3].pk)


def test_picture_at_strength_zero_is_the_base_alone(job: PreviewJob, version: Version, settings: Any) -> None:
    _run(job)
    bare = load_base(BaseSpec(family="tinybase", location=settings.BASE_MODEL_LOCATIONS["tinybase"]))
    sampling = SETTINGS["tinybase"]
    request = RenderRequest(PROMPT, seed=SEED, steps=sampling.steps, guidance=sampling.guidance, width=64, height=64)
    assert (_pixels(_images(version)[0]) == np.asarray(render(bare, request))).all()


def test_pictures_carry_their_marks(job: PreviewJob, version: Version) -> None:
    _run(job)
    for image in _images(version):
        assert image.marks == {"iptc": "trainedAlgorithmicMedia", "c2pa": True}
        with default_storage.open(image.storage_key, "rb") as file:
            marks = read_marks(file.read())
        assert marks.source_type == TRAINED
        assert marks.credential is not None
        assert (marks.credential.state, marks.credential.source_type) == ("valid", TRAINED)
        assert marks.prompt == image.prompt
        assert marks.settings["Seed"] == str(SEED)
        assert marks.settings["Adapter weight"] == str(image.strength)
        assert marks.settings["Adapter"] == str(version)


@pytest.mark.slow
def test_retry_gives_the_same_pictures_and_leaves_no_old_files(
    job: PreviewJob, version: Version, ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    _run(job)
    before = _images(version)
    pixels = [_pixels(image) for image in before]
    with django_capture_on_commit_callbacks(execute=True):
        assert _run(preview_retry(job=job, actor=ada)).state == JobState.DONE
    after = _images(version)
    assert [image.pk for image in after] == [image.pk for image in before]
    assert all(new.storage_key != old.storage_key for new, old in zip(after, before, strict=True))
    assert all((_pixels(image) == was).all() for image, was in zip(after, pixels, strict=True))
    _, files = default_storage.listdir(f"images/{version.pk}")
    assert sorted(f"images/{version.pk}/{name}" for name in files) == sorted(image.storage_key for image in after)


def test_each_prompt_has_its_row_and_an_embedding_its_word(ada: User) -> None:
    version = _starter(ada, "first-aid", "<first-aid>", "<first-aid>", "a red circle")
    job = preview_queue(version=version)
    assert job is not None
    assert _run(job).state == JobState.DONE
    pixels = [_pixels(image) for image in _images(version)]
    assert len(pixels) == 8
    assert (pixels[3] != pixels[0]).any()
    assert all((other == pixels[4]).all() for other in pixels[5:]), "without its word an embedding changes nothing"


def test_job_goes_on_after_a_crash_without_repeating_pictures(job: PreviewJob, version: Version) -> None:
    with _when_stored(3, _fail(RuntimeError("CUDA error"))), pytest.raises(RuntimeError, match="CUDA error"):
        _run(job)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_until) == (JobState.QUEUED, 1, None)
    kept = _images(version)
    assert [image.column for image in kept] == [0, 1]
    assert _run(job, "second").state == JobState.DONE
    assert (job.attempts, job.worker) == (2, "second")
    after = _images(version)
    assert [image.storage_key for image in after[:2]] == [image.storage_key for image in kept]
    assert len(after) == 6


def test_unexpected_error_ends_the_job_after_three_times(job: PreviewJob, version: Version) -> None:
    for _ in range(MAX_ATTEMPTS):
        with _when_stored(1, _fail(RuntimeError("/srv/models: no"))), pytest.raises(RuntimeError):
            _run(job)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.problem.keys() == {"what", "why", "remedy"}
    assert "RuntimeError" in job.problem["why"]
    assert _images(version) == []


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (SoftTimeLimitExceeded(), "The rendering took too long and was stopped."),
        (MemoryError(), "The worker ran out of memory."),
        (torch.OutOfMemoryError(), "The worker ran out of memory."),
    ],
)
def test_limit_of_the_worker_ends_the_job_at_once(
    job: PreviewJob, version: Version, error: Exception, what: str
) -> None:
    with _when_stored(2, _fail(error)):
        assert _run(job).state == JobState.FAILED
    assert job.problem["what"] == what
    assert job.problem["remedy"]
    assert job.lease_until is None


@pytest.mark.slow
def test_pictures_of_an_earlier_job_are_rendered_again_after_a_crash(
    job: PreviewJob, version: Version, ada: User
) -> None:
    _run(job)
    old = {image.storage_key for image in _images(version)}
    again = preview_retry(job=job, actor=ada)
    with _when_stored(2, _fail(RuntimeError())), pytest.raises(RuntimeError):
        _run(again)
    assert _run(again).state == JobState.DONE
    assert old.isdisjoint(image.storage_key for image in _images(version))


def test_cancelled_job_stops_before_its_next_picture(job: PreviewJob, version: Version, ada: User) -> None:
    with _when_stored(1, lambda: preview_cancel(job=job, actor=ada)):
        assert _run(job).state == JobState.CANCELLED
    assert len(_images(version)) == 1
    version.adapter.refresh_from_db()
    assert version.adapter.thumbnail == ""


def test_late_worker_stops_and_leaves_the_job_to_the_other(job: PreviewJob, version: Version) -> None:
    def lose() -> None:
        PreviewJob.objects.filter(pk=job.pk).update(lease_token="11111111-1111-4111-8111-111111111111", worker="other")

    with _when_stored(1, lose):
        assert _run(job).state == JobState.RUNNING
    assert (job.worker, job.problem) == ("other", {})
    assert len(_images(version)) == 1


def test_job_held_by_another_worker_is_left_alone(job: PreviewJob, version: Version) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)
    assert _run(job).state == JobState.CANCELLED
    assert _images(version) == []


_NAN = safetensors_bytes({"unet.conv_out.diff": ([4, 64, 3, 3], b"\x00\x00\xc0\x7f" * (4 * 64 * 9))})


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "The adapter file cannot be read."),
        (lora_bytes()[:-40], "The adapter file cannot be read."),
        (_NAN, "The adapter holds unusable numbers."),
        (lora_bytes(width=768), "The adapter does not fit this base model."),
        (None, "The adapter file is missing."),
    ],
)
def test_broken_file_ends_the_job_with_what_why_and_remedy(
    job: PreviewJob, version: Version, content: bytes | None, what: str
) -> None:
    path = stored_file(version)
    path.chmod(0o600)
    path.unlink() if content is None else path.write_bytes(content)
    assert _run(job).state == JobState.FAILED
    assert job.problem["what"] == what
    assert job.problem["why"]
    assert job.problem["remedy"]


def test_base_that_is_gone_ends_the_job_with_what_to_set(job: PreviewJob, settings: Any, tmp_path: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {}
    assert _run(job).state == JobState.FAILED
    assert "BASE_MODEL_LOCATIONS=tinybase=" in job.problem["remedy"]


def test_base_that_cannot_be_loaded_ends_the_job(job: PreviewJob, settings: Any, tmp_path: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {"tinybase": str(tmp_path / "gone")}
    assert _run(job).state == JobState.FAILED
    assert job.problem["what"] == "The base model is missing."
