"""A run from outside: it trains, pauses, ends, goes on exactly, survives what goes wrong, and says what it does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn

from tests.factories.trainer import Trial, config, make_items, same, stopping_at, trial
from training.engine import (
    CheckpointSaved,
    Control,
    Item,
    MemoryHalved,
    Message,
    NotFinite,
    Phase,
    Sampled,
    State,
    Step,
    TrainingError,
    Validation,
    Verified,
    export,
)
from training.engine.config import Kind, Precision

EVERYTHING: dict[str, Any] = {
    "steps": 5,
    "adapter": {"dropout": 0.2, "text_encoders": True},
    "data": {"flip": True, "tag_shuffle": True, "prior_weight": 0.5, "accumulation": 2},
    "loss": {"min_snr_gamma": 5.0, "noise_offset": 0.05},
    "optim": {"ema_decay": 0.9, "warmup_steps": 2, "gradient_checkpointing": True, "text_learning_rate": 5e-3},
}


def test_run_tells_its_phases_steps_and_files(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    recipe = config(validate_every=2, samples={"every": 3, "prompts": ("{trigger}, a red circle",), "seeds": (1, 2)})
    one = trial(sd1, tmp_path, recipe, items, validation=items[:2])
    result = one.run()
    assert (result.state, result.steps_done) == (State.DONE, 3)
    assert [event.step for event in one.of(Step)] == [1, 2, 3]
    assert {event.name for event in one.of(Phase)} == {"load", "latents", "text", "train", "write"}
    assert [event.step for event in one.of(Validation)] == [2, 3]
    assert set(one.of(Validation)[0].bands) == {"0-25", "25-50", "50-75", "75-100"}
    assert [event.step for event in one.of(CheckpointSaved)] == [0, 1, 2, 3]
    assert [(e.step, e.prompt, e.seed, e.with_trigger) for e in one.of(Sampled)] == [
        (step, prompt, seed, with_trigger)
        for step in (0, 3)
        for seed in (1, 2)
        for prompt, with_trigger in (("sks, a red circle", True), ("a red circle", False))
    ]
    assert all(event.path.is_file() for event in one.of(Sampled))
    assert [file.layout for file in result.files] == ["kohya", "diffusers"]
    assert [event.path for event in one.of(Verified)] == [file.path for file in result.files]
    assert result.peak_memory_bytes > 0


def test_samples_and_validation_do_not_change_the_training(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    unwatched = trial(sd1, tmp_path / "a", config(adapter={"dropout": 0.1}), items)
    watched = trial(
        sd1,
        tmp_path / "b",
        config(adapter={"dropout": 0.1}, validate_every=1, samples={"every": 1, "prompts": ("{trigger}",)}),
        items,
        validation=items[:1],
    )
    unwatched.run()
    watched.run()
    assert same(unwatched.weights(3), watched.weights(3))


def test_run_paused_and_resumed_with_everything_on_is_bit_identical(sd1: Path, tmp_path: Path) -> None:
    items = make_items(tmp_path / "pictures", 6, prior=2)
    whole, broken = (trial(sd1, tmp_path / name, config(**EVERYTHING), items) for name in "ab")
    whole.run()
    paused = broken.run(stopping_at(2, broken))
    assert (paused.state, paused.steps_done, paused.files) == (State.PAUSED, 2, ())
    done = broken.run()
    assert done.state is State.DONE
    assert [event.step for event in broken.of(Step)] == [1, 2, 3, 4, 5]
    assert same(whole.weights(5), broken.weights(5))
    assert [event.loss for event in whole.of(Step)] == [event.loss for event in broken.of(Step)]


@pytest.mark.slow
def test_prodigy_resumes_bit_identically(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    recipe = config(steps=4, optim={"optimizer": "prodigy", "learning_rate": 1.0})
    whole, broken = (trial(sd1, tmp_path / name, recipe, items) for name in "ab")
    whole.run()
    broken.run(stopping_at(2, broken))
    broken.run()
    assert same(whole.weights(4), broken.weights(4))


def test_cancelled_run_ends_before_the_next_step(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(steps=50, checkpoint_every=0), items)
    result = one.run(stopping_at(1, one, Control.CANCEL))
    assert (result.state, result.steps_done, result.files) == (State.CANCELLED, 1, ())


def test_run_told_to_pause_while_pictures_are_encoded_pauses(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    one = trial(sd1, tmp_path, config(), items)
    result = one.run(lambda: Control.PAUSE)
    assert (result.state, result.steps_done) == (State.PAUSED, 0)
    assert one.of(Step) == []


def test_damaged_checkpoint_is_told_and_the_one_before_is_used(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, plain: Trial
) -> None:
    broken = trial(sd1, tmp_path, config(), items)
    broken.run(stopping_at(2, broken))
    torn = broken.job.folder / "checkpoints" / "step-00000002" / "optimizer.safetensors"
    torn.write_bytes(torn.read_bytes()[:-1])
    broken.events.clear()
    broken.run()
    (message,) = broken.of(Message)
    assert (message.level, "Checkpoint 2 is damaged" in message.text) == ("warning", True)
    assert [event.step for event in broken.of(Step)] == [2, 3]
    assert same(plain.weights(3), broken.weights(3))


def test_checkpoint_of_another_recipe_is_refused(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(), items)
    one.run(stopping_at(1, one))
    other = Trial(replace(one.job, config=config(seed=6)))
    with pytest.raises(TrainingError) as caught:
        other.run()
    assert caught.value.code == "checkpoint-foreign"


def test_checkpoint_is_used_when_only_what_is_shown_changes(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(), items)
    one.run(stopping_at(1, one))
    other = Trial(replace(one.job, config=config(checkpoint_every=2, validate_every=2, samples={"steps": 7})))
    assert other.run().state is State.DONE
    assert [event.step for event in other.of(Step)] == [2, 3]


class _OutOfMemory:
    """Raises as CUDA does, once, when the UNet gets a batch larger than `limit`, in the forward pass itself."""

    def __init__(self, limit: int) -> None:
        self.limit, self.raised = limit, 0

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, UNet2DConditionModel) and torch.is_grad_enabled() and len(inputs[0]) > self.limit:
            self.raised += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_run_out_of_memory_goes_on_in_smaller_pieces_with_the_same_result(sd1: Path, tmp_path: Path) -> None:
    items = make_items(tmp_path / "pictures", 5)
    recipe = config(data={"batch": 4, "buckets": False}, adapter={"text_encoders": True})
    whole, short = (trial(sd1, tmp_path / name, recipe, items) for name in "ab")
    whole.run()
    hook = _OutOfMemory(2)
    with torch.nn.modules.module.register_module_forward_pre_hook(hook):
        assert short.run().state is State.DONE
    (halved,) = short.of(MemoryHalved)
    assert (halved.batch, halved.accumulation, hook.raised) == (2, 2, 1)
    assert "out of memory" in halved.why
    for name, value in whole.weights(3).items():
        assert torch.allclose(value, short.weights(3)[name], rtol=1e-3, atol=1e-4), name
    assert [event.loss for event in whole.of(Step)] == pytest.approx([event.loss for event in short.of(Step)], rel=1e-4)


def test_run_that_does_not_fit_even_alone_says_what_to_change(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    one = trial(sd1, tmp_path, config(), items)
    with (
        torch.nn.modules.module.register_module_forward_pre_hook(_OutOfMemory(0)),
        pytest.raises(TrainingError) as caught,
    ):
        one.run()
    assert caught.value.code == "out-of-memory"
    assert "gradient checkpointing" in caught.value.remedy


def test_diverged_run_stops_and_keeps_its_last_good_checkpoint(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    one = trial(sd1, tmp_path, config(steps=9, optim={"learning_rate": 1e30, "weight_decay": 0.0}), items)
    with pytest.raises(TrainingError) as caught:
        one.run()
    assert caught.value.code == "not-finite"
    assert "learning rate" in caught.value.remedy
    (event,) = one.of(NotFinite)
    assert event.last_good == one.of(CheckpointSaved)[-1].step < event.step
    assert all(bool(value.isfinite().all()) for value in one.weights(event.last_good).values())


def test_other_checkpoint_is_exported(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(), items)
    last = one.run().files
    earlier = export(one.job, 1)
    assert [file.step for file in earlier] == [1, 1]
    assert earlier[0].sha256 != last[0].sha256
    assert export(one.job, 3)[0].sha256 == last[0].sha256
    with pytest.raises(TrainingError) as caught:
        export(one.job, 2**20)
    assert caught.value.code == "checkpoint-missing"


def test_caches_are_filled_once_and_shared_by_runs(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    seen: list[str] = []

    def look(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, AutoencoderTiny) or type(module).__name__ in {"CLIPTextModel", "EncoderTiny"}:
            seen.append(type(module).__name__)

    first = trial(sd1, tmp_path, config(), items)
    second = Trial(replace(first.job, config=config(seed=9), folder=tmp_path / "second"))
    with torch.nn.modules.module.register_module_forward_pre_hook(look):
        first.run()
        encoded = len(seen)
        second.run()
    assert seen.count("EncoderTiny") == len(items)
    assert encoded == len(seen)


def test_cached_and_uncached_runs_learn_the_same(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, plain: Trial
) -> None:
    assert plain.job.config.data.cache_latents
    assert plain.job.config.data.cache_text
    uncached = trial(sd1, tmp_path, config(data={"cache_latents": False, "cache_text": False}), items)
    uncached.run()
    assert [event.loss for event in plain.of(Step)] == pytest.approx([e.loss for e in uncached.of(Step)], rel=1e-4)


@pytest.mark.slow
def test_training_in_bf16_stays_close_to_fp32(sd1: Path, items: tuple[Item, ...], tmp_path: Path, plain: Trial) -> None:
    assert plain.job.config.optim.precision is Precision.FP32
    half = trial(sd1, tmp_path, config(optim={"precision": Precision.BF16}), items)
    half.run()
    assert [event.loss for event in half.of(Step)] == pytest.approx([e.loss for e in plain.of(Step)], rel=0.05)
    assert {value.dtype for value in half.weights(3).values()} == {torch.float32}


@pytest.mark.slow
def test_training_in_fp16_scales_its_gradients_and_resumes_exactly(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    whole, broken = (trial(sd1, tmp_path / n, config(optim={"precision": Precision.FP16}), items) for n in "ab")
    whole.run()
    broken.run(stopping_at(1, broken))
    broken.run()
    assert same(whole.weights(3), broken.weights(3))


def test_average_is_what_is_written(sd1: Path, items: tuple[Item, ...], tmp_path: Path, plain: Trial) -> None:
    averaged = trial(sd1, tmp_path, config(optim={"ema_decay": 0.999}), items)
    averaged.run()
    assert same(plain.weights(3), averaged.weights(3))
    files = [load_file(one.of(Verified)[0].path) for one in (plain, averaged)]
    assert files[0].keys() == files[1].keys()
    assert not same(*files)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"data": {"bucket_step": 6}}, "bucket-step"),
        ({"data": {"resolution": 4}}, "resolution"),
        ({"optim": {"optimizer": "adamw-8bit"}}, "optimizer-unavailable"),
        ({"optim": {"quantisation": "nf4"}}, "quantisation-unavailable"),
        ({"optim": {"optimizer": "prodigy", "text_learning_rate": 1e-5}, "adapter": {"text_encoders": True}},
         "prodigy-rates"),
        ({"adapter": {"kind": Kind.IA3, "dropout": 0.1}}, "kind-dropout"),
        ({"adapter": {"kind": Kind.TEXTUAL_INVERSION}, "trigger": "a"}, "trigger-known"),
        ({"adapter": {"kind": Kind.TEXTUAL_INVERSION}, "trigger": ""}, "trigger-missing"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_with_a_remedy(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        trial(sd1, tmp_path, config(**changes), items).run()
    assert caught.value.code == code
    assert caught.value.what
    assert caught.value.why
    assert caught.value.remedy


def test_base_of_another_family_and_absent_pictures_are_refused(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    cases = {
        "base-family": trial(sd1, tmp_path, config("sdxl"), items),
        "base-missing": trial(tmp_path / "nothing", tmp_path, config(), items),
        "no-pictures": trial(sd1, tmp_path, config(), tuple(replace(one, is_prior=True) for one in items)),
        "picture-unreadable": trial(sd1, tmp_path, config(), (replace(items[0], path=tmp_path / "none.png"),)),
    }
    for code, one in cases.items():
        with pytest.raises(TrainingError) as caught:
            one.run()
        assert caught.value.code == code


def test_untrained_adapter_is_no_result(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(optim={"learning_rate": 0.0}), items)
    with pytest.raises(TrainingError) as caught:
        one.run()
    assert caught.value.code == "no-effect"
