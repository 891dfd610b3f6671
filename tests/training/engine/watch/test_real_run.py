"""A real run that is overfitted on purpose, through the engine: the watch finds what is wrong with it."""

import hashlib
from pathlib import Path

import pytest
import torch

from training.engine import BaseRef, CheckpointSaved, Control, Event, Item, Job, Sampled, Step, Validation, run
from training.engine.config import AdapterConfig, DataConfig, OptimConfig, SampleConfig, Targets, TrainConfig
from training.engine.watch import History, Judgement, Sample, TrainingPicture, judge
from training.tinybase.demo import Example, examples, png
from training.tinybase.pictures import BASE

STEPS = 80


def _item(folder: Path, example: Example) -> Item:
    path = folder / example.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(example.picture))
    return Item(path, example.caption, hashlib.sha256(path.read_bytes()).hexdigest())


def _recipe(prompts: tuple[str, ...]) -> TrainConfig:
    """Far too high a rate on three pictures, without class pictures, drawn by their own captions."""
    return TrainConfig(
        family="tinybase",
        trigger="stkr",
        steps=STEPS,
        checkpoint_every=STEPS // 2,
        validate_every=10,
        adapter=AdapterConfig(rank=32, alpha=32.0, targets=Targets.FEED_FORWARD, text_encoders=True),
        data=DataConfig(resolution=64, bucket_step=8, batch=3, caption_dropout=0.0, cache_text=False),
        optim=OptimConfig(learning_rate=4e-3, warmup_steps=10, weight_decay=0.0),
        samples=SampleConfig(STEPS // 2, prompts, (5,), steps=10, guidance=2.0, width=64, height=64),
    )


def _watched(job: Job) -> Judgement:
    losses: list[tuple[int, float]] = []
    validations: list[tuple[int, float]] = []
    checkpoints: list[int] = []
    samples: list[Sample] = []

    def heard(event: Event) -> None:
        match event:
            case Step():
                losses.append((event.step, event.loss))
            case Validation():
                validations.append((event.step, event.loss))
            case CheckpointSaved() if event.step:
                checkpoints.append(event.step)
            case Sampled():
                samples.append(Sample(event.step, event.prompt, event.seed, event.with_trigger, event.path))

    run(job, heard, lambda: Control.GO)
    history = History(tuple(losses), tuple(validations), tuple(checkpoints))
    return judge(history, samples, [TrainingPicture(one.digest, one.path) for one in job.items], trigger="stkr")


@pytest.mark.slow
def test_overfitted_run_is_warned_of_leakage_and_copies(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    own, unseen = examples("sticker")[:3], examples("sticker")[6:10]
    job = Job(
        _recipe(tuple(example.caption.replace("stkr", "{trigger}") for example in own)),
        BaseRef("tinybase", str(BASE)),
        tuple(_item(tmp_path / "own", example) for example in own),
        tuple(_item(tmp_path / "unseen", example) for example in unseen),
        tmp_path / "run",
        tmp_path / "cache",
    )
    found = _watched(job)
    codes = {warning.code for warning in found.warnings}
    assert {"trigger-leakage", "near-copy"} <= codes
    assert "no-effect" not in codes
    assert found.best_step in (STEPS // 2, STEPS)
