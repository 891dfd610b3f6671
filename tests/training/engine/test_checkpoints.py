"""Checkpoints: whole or not at all, any damage shows, and an optimizer's state comes back as it was."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.engine.checkpoints import Checkpoint, CheckpointFolder, Torn, finite, joined, split

TENSORS = {"adapter": {"a.down": torch.arange(6.0).reshape(2, 3)}, "optimizer": {"/state/0": torch.tensor(2.0)}}


def _checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"run": "x", "position": {"epoch": 1, "batch": 2}, "scale": 65536.0}, TENSORS)


def test_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    assert folder.save(_checkpoint(7)) == tmp_path / "step-00000007"
    found = folder.read(7)
    assert (found.step, found.facts) == (7, _checkpoint(7).facts)
    assert torch.equal(found.tensors["adapter"]["a.down"], TENSORS["adapter"]["a.down"])
    assert found.tensors["optimizer"]["/state/0"].shape == ()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "state.json",
        "adapter.safetensors",
        "optimizer.safetensors",
    }


def test_any_changed_byte_and_any_missing_part_shows(tmp_path: Path) -> None:
    folder, chance = CheckpointFolder(tmp_path), random.Random(3)
    where = folder.save(_checkpoint(1))
    for path in sorted(where.iterdir()):
        data = path.read_bytes()
        damaged = [data[:cut] for cut in (0, len(data) // 2, len(data) - 1)] + [data + b"\0"]
        for _ in range(60):
            place = chance.randrange(len(data))
            damaged.append(data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :])
        for bad in damaged:
            path.write_bytes(bad)
            with pytest.raises(Torn):
                folder.read(1)
        path.unlink()
        with pytest.raises(Torn):
            folder.read(1)
        path.write_bytes(data)
    assert folder.read(1).step == 1


def test_half_written_checkpoint_is_none_and_is_removed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(_checkpoint(1)).rename(tmp_path / ".partial-step-00000001")
    assert folder.steps() == []
    with pytest.raises(FileNotFoundError):
        folder.read(1)
    folder.save(_checkpoint(2))
    folder.keep(3)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in range(5):
        folder.save(_checkpoint(step))
    folder.keep(2)
    assert folder.steps() == [4, 3]
    folder.keep(0)
    assert folder.steps() == [4]


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
states = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(0, 9) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(states)
def test_plain_state_comes_back(state: object) -> None:
    taken, tensors = split(state)
    assert tensors == {}
    assert joined(taken, tensors) == state


def test_optimizer_state_comes_back_with_its_tensors() -> None:
    value = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = torch.optim.AdamW([value], lr=0.1)
    value.square().sum().backward()
    optimizer.step()
    found = joined(*split(optimizer.state_dict()))
    assert found["param_groups"] == optimizer.state_dict()["param_groups"]
    state: dict[str, Tensor] = optimizer.state_dict()["state"][0]
    assert all(torch.equal(found["state"][0][name], tensor) for name, tensor in state.items())


def test_state_that_json_cannot_keep_is_an_error() -> None:
    with pytest.raises(TypeError, match="set"):
        split({"a": {1, 2}})


def test_numbers_that_are_none_are_found() -> None:
    assert finite({"a": torch.ones(2), "b": torch.tensor([1])})
    assert not finite({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])})
    assert not finite({"a": torch.tensor([float("inf")])})
