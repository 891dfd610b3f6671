"""What the engine tells is written down once, at the right time, and by nobody who lost the run."""

from pathlib import Path

import pytest
from PIL import Image

from tests.factories.training import make_run
from training.engine import (
    CheckpointSaved,
    MemoryHalved,
    Message,
    NotFinite,
    Phase,
    Sampled,
    Step,
    Validation,
    Verified,
)
from training.keeping import run_folder
from training.models import EventKind, Level, PointKind, RunPoint, RunSample, TrainingRun
from training.recorder import Recorder
from training.services.leasing import LeaseLost
from training.states import RunState

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def step(number: int, loss: float = 1.0) -> Step:
    return Step(number, loss, 1e-4, 0.5, 0.2)


def picture(path: Path, colour: str = "red") -> Path:
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def test_steps_are_written_at_most_once_a_second() -> None:
    clock, run = Clock(), make_run(state=RunState.RUNNING)
    recorder = Recorder(run, clock=clock)
    recorder(step(1))
    assert RunPoint.objects.count() == 1  # the first at once
    recorder(step(2))
    recorder(step(3))
    assert RunPoint.objects.count() == 1
    clock.now = 1.1
    recorder(step(4))
    assert RunPoint.objects.count() == 4
    run.refresh_from_db()
    assert (run.step, run.step_seconds) == (4, pytest.approx(0.2))


def test_a_step_told_again_takes_the_place_of_what_was_lost() -> None:
    run = make_run(state=RunState.RUNNING)
    for loss in (1.0, 2.0):
        recorder = Recorder(run)
        recorder(step(1, loss))
        recorder.flush()
    assert RunPoint.objects.get().loss == 2.0


def test_validation_keeps_its_bands() -> None:
    run = make_run(state=RunState.RUNNING)
    Recorder(run)(Validation(10, 0.5, {"0-25": 0.1, "75-100": 0.9}))
    point = RunPoint.objects.get(kind=PointKind.VALIDATION)
    assert point.bands == [["0-25", 0.1], ["75-100", 0.9]]


def test_a_sample_is_kept_beside_its_template_and_marked_as_made(tmp_path: Path) -> None:
    run = make_run(state=RunState.RUNNING)
    recorder = Recorder(run)
    recorder(Sampled(0, "sks, a red circle", 1, True, picture(tmp_path / "a.png")))
    recorder(Sampled(0, "a red circle", 1, False, picture(tmp_path / "b.png", "blue")))
    samples = list(RunSample.objects.order_by("-with_trigger"))
    assert {sample.template for sample in samples} == {"{trigger}, a red circle"}
    assert run.events.filter(kind=EventKind.SAMPLE).count() == 1
    from django.core.files.storage import default_storage

    with default_storage.open(samples[0].storage_key, "rb") as file:
        assert b"trainedAlgorithmicMedia" in file.read()


def test_a_checkpoint_counts_when_it_is_told_and_those_removed_are_marked() -> None:
    run = make_run(state=RunState.RUNNING)
    recorder = Recorder(run)
    for number in (10, 20):
        folder = run_folder(run) / f"step-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state.json").write_text("{}")
        if number == 20:
            (run_folder(run) / "step-10" / "state.json").unlink()
            (run_folder(run) / "step-10").rmdir()
        recorder(CheckpointSaved(number, folder))
    run.refresh_from_db()
    assert (run.checkpoint_step, run.fruitless) == (20, 0)
    assert list(run.checkpoints.filter(removed_at=None).values_list("step", flat=True)) == [20]


def test_what_a_person_should_know_is_in_the_log() -> None:
    run = make_run(state=RunState.RUNNING)
    recorder = Recorder(run)
    for event in (
        Phase("latents", 1, 8),
        MemoryHalved(3, 2, 4, "CUDA ran out."),
        NotFinite(9, 5, "The loss became nan."),
        Verified(Path("/srv/place/adapter.safetensors"), 1e-6),
        Message("warning", "A caption is empty."),
    ):
        recorder(event)
    texts = list(run.events.values_list("level", "text"))
    assert (Level.WARNING, "A caption is empty.") in texts
    assert any(level == Level.ERROR and "step 5 is the last good" in text for level, text in texts)
    assert any("2 pictures at a time and 4 such batches" in text for _, text in texts)
    assert not any("/srv" in text for _, text in texts)


def test_an_event_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TypeError, match="nobody here knows"):
        Recorder(make_run(state=RunState.RUNNING))("something")  # type: ignore[arg-type]


def test_a_late_worker_writes_nothing(tmp_path: Path) -> None:
    run = make_run(state=RunState.RUNNING)
    recorder = Recorder(run)
    TrainingRun.objects.filter(pk=run.pk).update(state="failed", lease_token=None, lease_until=None, leased_at=None)
    with pytest.raises(LeaseLost):
        recorder(step(1))
    with pytest.raises(LeaseLost):
        recorder(Sampled(1, "x", 1, True, picture(tmp_path / "a.png")))
    assert not RunSample.objects.exists()
