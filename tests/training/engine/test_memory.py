"""Too little memory anywhere in a run: in smaller pieces where that helps, else an end that says what to change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from tests.factories.trainer import Trial, config, same, stopping_at, trial
from training.engine import Control, Item, Message, Sampled, State, Step, TrainingError, Validation, export
from training.engine.memory import is_out_of_memory, memory_told

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")


OTHERS = (RuntimeError("shapes do not fit"), ValueError("x"))


@pytest.mark.parametrize(
    ("error", "is_one"), [*((one, True) for one in (CUDA, CPU, MemoryError())), *((one, False) for one in OTHERS)]
)
def test_too_little_memory_is_told_from_other_errors(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one
    with pytest.raises(TrainingError if is_one else type(error)), memory_told("while it was tried"):
        raise error


def failing(kind: type[nn.Module], when: Callable[[Any], bool], error: Exception) -> Any:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, kind) and when(inputs):
            raise error

    return torch.nn.modules.module.register_module_forward_pre_hook(hook)


def ended(one: Any) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        one.run()
    assert caught.value.code == "out-of-memory"
    assert "lower the resolution" in caught.value.remedy
    return caught.value


@pytest.mark.parametrize("error", [CUDA, CPU])
def test_no_room_to_encode_pictures_is_told(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(AutoencoderKL, "encode", encode)
    from diffusers import AutoencoderTiny

    monkeypatch.setattr(AutoencoderTiny, "encode", encode)
    assert "pictures and captions were encoded" in ended(trial(sd1, tmp_path, config(), items)).why


def test_no_room_for_the_optimizer_is_told_and_the_checkpoint_stays(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trial(sd1, tmp_path, config(), items)

    def step(*_: Any, **__: Any) -> None:
        raise CUDA

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", step)
        assert "optimizer" in ended(one).why
    assert one.run().state is State.DONE
    assert same(one.weights(3), one.weights(3))


def test_resuming_without_room_is_told(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trial(sd1, tmp_path, config(), items)
    one.run(stopping_at(1, one))

    def load(*_: Any, **__: Any) -> None:
        raise CUDA

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "load_state_dict", load)
        assert "checkpoint" in ended(one).why
        with pytest.raises(TrainingError, match="more memory"):
            export(one.job, 1)
    assert one.run().state is State.DONE


def test_validation_goes_on_in_smaller_batches_with_the_same_figures(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    recipe = config(validate_every=3, data={"batch": 4})
    whole, short = (trial(sd1, tmp_path / name, recipe, items, validation=items[:2]) for name in "ab")
    whole.run()
    with failing(UNet2DConditionModel, lambda given: not torch.is_grad_enabled() and len(given[0]) > 1, CUDA):
        assert short.run().state is State.DONE
    (one,), (other,) = whole.of(Validation), short.of(Validation)
    assert other.loss == pytest.approx(one.loss, rel=1e-4)
    assert same(whole.weights(3), short.weights(3))


def test_validation_without_any_room_is_left_out_and_said(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    one = trial(sd1, tmp_path, config(validate_every=3), items, validation=items[:2])
    with failing(UNet2DConditionModel, lambda given: not torch.is_grad_enabled(), CPU):
        assert one.run().state is State.DONE
    assert one.of(Validation) == []
    assert any("validation of step 3" in event.text for event in one.of(Message))


SAMPLED = config(samples={"every": 1, "prompts": ("{trigger}, a circle",), "seeds": (1, 2)})


@pytest.fixture(scope="module")
def whole(sd1: Path, items: tuple[Item, ...], tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A run with a row of samples after each step, which nothing disturbed."""
    one = trial(sd1, tmp_path_factory.mktemp("whole"), SAMPLED, items)
    one.run()
    return one


@pytest.mark.parametrize("at", [pytest.param(0, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_pause_in_the_middle_of_a_row_of_samples_leaves_no_hole(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path, whole: Trial, at: int
) -> None:
    broken = trial(sd1, tmp_path, SAMPLED, items)
    drawn: list[Any] = []

    def control() -> Control:
        nonlocal drawn
        drawn = [event for event in broken.of(Sampled) if event.step == at]
        return Control.PAUSE if len(drawn) == 1 else Control.GO

    paused = broken.run(control)
    assert (paused.state, paused.steps_done, len(drawn)) == (State.PAUSED, at, 1)
    assert broken.run().state is State.DONE
    pictures = [{(e.step, e.prompt, e.seed): e.path.read_bytes() for e in one.of(Sampled)} for one in (whole, broken)]
    assert pictures[0] == pictures[1]
    assert len(pictures[1]) == 4 * 4
    assert [event.step for event in broken.of(Step)] == [1, 2, 3]
    assert same(whole.weights(3), broken.weights(3))


def test_pause_taken_back_in_a_row_of_samples_leaves_no_hole(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    one = trial(sd1, tmp_path, SAMPLED, items)
    asked = iter([Control.PAUSE])

    def control() -> Control:
        return next(asked, Control.GO) if len(one.of(Sampled)) == 6 else Control.GO

    assert one.run(control).state is State.DONE
    assert len({(e.step, e.prompt, e.seed) for e in one.of(Sampled)}) == 16
