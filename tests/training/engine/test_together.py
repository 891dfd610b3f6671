"""One run by two processes: the same weights as by one, up to the order in which numbers are added; and how it ends."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.factories.trainer import Trial, config, trial
from training.engine import Control, Event, Item, RunResult, Sampled, State, Step, TrainingError, Validation
from training.engine.together import MemberGone, run_on

pytestmark = pytest.mark.slow
RECIPE: dict[str, Any] = {
    "steps": 4,
    "data": {"batch": 4, "accumulation": 2, "buckets": False},
    "optim": {"ema_decay": 0.9},
    "validate_every": 2,
    "samples": {"every": 4, "prompts": ("{trigger}, a red circle",), "seeds": (1,)},
}


@pytest.fixture(autouse=True)
def one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def together(one: Trial, control: Any = lambda: Control.GO, on_event: Any = None) -> RunResult:
    def hear(event: Event) -> None:
        one.events.append(event)
        if on_event:
            on_event(event)

    return run_on(one.job, hear, control, processes=2)


def test_two_processes_give_the_weights_of_one(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    alone, pair = (trial(sd1, tmp_path / name, config(**RECIPE), items, validation=items[:2]) for name in "ab")
    alone.run()
    result = together(pair)
    assert (result.state, result.steps_done) == (State.DONE, 4)
    assert [file.layout for file in result.files] == ["kohya", "diffusers"]
    for kind in (Step, Validation, Sampled):
        assert [one.step for one in alone.of(kind)] == [one.step for one in pair.of(kind)], "told once, not twice"
    losses = [[event.loss for event in one.of(Step)] for one in (alone, pair)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    moved = 0.0
    for name, value in alone.weights(4).items():
        assert torch.allclose(value, pair.weights(4)[name], rtol=1e-3, atol=1e-5), name
        moved = max(moved, float((value - alone.weights(0)[name]).abs().max()))
    assert moved > 1e-2, "there was something to compare"


def test_pause_is_heard_and_one_process_goes_on_with_what_two_left(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    alone, pair = (trial(sd1, tmp_path / name, config(**RECIPE), items) for name in "ab")
    alone.run()
    paused = together(pair, lambda: Control.PAUSE if pair.of(Step) else Control.GO)
    assert (paused.state, paused.files) == (State.PAUSED, ())
    assert 1 <= paused.steps_done <= 2, "within two steps"
    assert pair.run().state is State.DONE
    for name, value in alone.weights(4).items():
        assert torch.allclose(value, pair.weights(4)[name], rtol=1e-3, atol=1e-5), name


def test_errors_of_members_are_told_as_they_are(sd1: Path, tmp_path: Path) -> None:
    nothing = trial(sd1, tmp_path, config(**RECIPE), ())
    with pytest.raises(TrainingError) as caught:
        together(nothing)
    assert (caught.value.code, caught.value.remedy) == ("no-pictures", "Add pictures of what is to be learned.")


def test_a_member_that_is_killed_ends_the_run_and_leaves_none_behind(
    sd1: Path, items: tuple[Item, ...], tmp_path: Path
) -> None:
    one = trial(sd1, tmp_path, config(**RECIPE | {"steps": 1000}), items)

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.step == 1:
            os.kill(max(_children()), signal.SIGKILL)

    with pytest.raises(MemberGone):
        together(one, on_event=kill)
    assert _children() == []


def _children() -> list[int]:
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    named = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in mine}
    return [int(pid) for pid, command in named.items() if b"training.engine.member" in command]
