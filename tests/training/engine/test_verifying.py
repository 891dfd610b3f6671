"""A file that does not do what was trained is found out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.factories.trainer import config, trial
from training.engine import Control, Item, TrainingError
from training.engine.layouts import Laid, all_layouts
from training.engine.session import Session
from training.engine.setup import setup
from training.engine.verifying import TOLERANCE, diffusers_scales, worst_difference


@pytest.fixture(scope="module")
def trained(
    sd1: Path, items: tuple[Item, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Session, dict[str, tuple[Path, Laid]]]]:
    """A short run at its end, and its files by layout."""
    one = trial(sd1, tmp_path_factory.mktemp("verified"), config(steps=2), items)
    files = {file.layout: file.path for file in one.run().files}
    session = setup(one.job, lambda event: None, lambda: Control.GO, at=2)
    with session.network.at(1.0):
        laid = {one.layout: one for one in all_layouts(session.network, session.family, session.config)}
        yield session, {layout: (path, laid[layout]) for layout, path in files.items()}


def _difference(session: Session, path: Path, laid: Laid) -> float:
    scales = diffusers_scales(laid, session.network) if laid.layout == "diffusers" else {}
    return worst_difference(path, laid, session.network, scales)


def _largest(tensors: dict[str, Tensor], ending: str) -> str:
    return max((name for name in tensors if name.endswith(ending)), key=lambda name: float(tensors[name].abs().max()))


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled": lambda tensor: tensor * 1.02,
    "turned": lambda tensor: tensor.flip(0).contiguous(),
    "emptied": torch.zeros_like,
}


@pytest.mark.parametrize("layout", ["kohya", "diffusers"])
@pytest.mark.parametrize("change", CHANGES)
def test_one_changed_tensor_is_found(
    trained: tuple[Session, dict[str, tuple[Path, Laid]]], tmp_path: Path, layout: str, change: str
) -> None:
    session, files = trained
    path, laid = files[layout]
    assert _difference(session, path, laid) <= TOLERANCE
    tensors = load_file(path)
    name = _largest(tensors, ".lora_up.weight" if layout == "kohya" else ".lora_B.weight")
    save_file({**tensors, name: CHANGES[change](tensors[name])}, tmp_path / path.name)
    assert _difference(session, tmp_path / path.name, laid) > 5 * TOLERANCE


def test_missing_tensor_is_found(trained: tuple[Session, dict[str, tuple[Path, Laid]]], tmp_path: Path) -> None:
    session, files = trained
    path, laid = files["kohya"]
    tensors = load_file(path)
    del tensors[_largest(tensors, ".lora_up.weight")]
    save_file(tensors, tmp_path / path.name)
    with pytest.raises(TrainingError) as caught:
        _difference(session, tmp_path / path.name, laid)
    assert caught.value.code == "file-differs"


@pytest.fixture
def idle(trained: tuple[Session, dict[str, tuple[Path, Laid]]], tmp_path: Path) -> Iterator[tuple[Path, Laid, str]]:
    """The file, and one of its layers that training left without any effect, in the file as well."""
    session, files = trained
    path, laid = files["kohya"]
    tensors = load_file(path)
    name = _largest(tensors, ".lora_up.weight")
    layer = session.network.layers[laid.entries[name.removesuffix(".lora_up.weight")][0].layer]
    before = layer.up.detach().clone()
    with torch.no_grad():
        layer.up.zero_()
    save_file({**tensors, name: torch.zeros_like(tensors[name])}, tmp_path / path.name)
    yield tmp_path / path.name, laid, name
    with torch.no_grad():
        layer.up.copy_(before)


def test_layer_that_does_nothing_has_to_do_nothing_in_the_file(
    trained: tuple[Session, dict[str, tuple[Path, Laid]]], idle: tuple[Path, Laid, str]
) -> None:
    session, (path, laid, name) = trained[0], idle
    assert _difference(session, path, laid) <= TOLERANCE
    tensors = load_file(path)
    save_file({**tensors, name: torch.full_like(tensors[name], 1e-5)}, path)
    assert _difference(session, path, laid) == 1


def test_number_that_is_none_is_found(trained: tuple[Session, dict[str, tuple[Path, Laid]]], tmp_path: Path) -> None:
    session, files = trained
    path, laid = files["kohya"]
    tensors = load_file(path)
    name = _largest(tensors, ".lora_up.weight")
    save_file({**tensors, name: torch.full_like(tensors[name], torch.nan)}, tmp_path / path.name)
    assert _difference(session, tmp_path / path.name, laid) == float("inf")
