"""The commands that train: their options, and a run of a handful of steps that is broken off and goes on."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.engine import BaseSpec, RenderRequest, load_base, render
from training.tinybase import build as building
from training.tinybase.build import build
from training.tinybase.config import BaseConfig

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["training.tinybase", "training.tinybase.adapters", "training.tinybase.judge"])
def test_command_explains_itself(module: str) -> None:
    done = _run(module, "--help")
    assert done.returncode == 0
    assert f"python -m {module}" in done.stdout


@pytest.mark.slow
def test_adapter_without_a_recipe_is_named() -> None:
    done = _run("training.tinybase.adapters", "nothing")
    assert done.returncode == 2
    assert "no recipe is called nothing" in done.stderr


@pytest.mark.slow
def test_training_broken_off_goes_on_and_writes_a_base_that_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(building, "textured_pictures", _few(building.textured_pictures))
    few = BaseConfig(
        work=tmp_path / "work", out=tmp_path / "out", pictures=32, text_steps=5, vae_steps=5, decoder_steps=5,
        unet_steps=2, batch=4, checkpoint_every=1,
    )  # fmt: skip
    build(few)
    assert _step(few) == 2
    stages = _stages(few)
    assert stages.keys() == {"text.pt", "vae.pt", "pictures-2026-32.npy"}
    first = _weights(few.out / "unet")
    build(replace(few, unet_steps=4))
    assert _step(few) == 4
    assert _stages(few) == stages, "a finished part was trained again"
    assert _weights(few.out / "unet") != first
    pipe = load_base(BaseSpec(family="tinybase", location=str(few.out)))
    assert render(pipe, RenderRequest("a red circle", steps=2, width=64, height=64)).size == (64, 64)


def _step(config: BaseConfig) -> int:
    return int(torch.load(config.work / "denoiser.pt", weights_only=True)["step"])


def _stages(config: BaseConfig) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in config.work.iterdir() if path.name != "denoiser.pt"}


def _few(drawing: object) -> object:
    return lambda config, count: drawing(config, count=16)  # type: ignore[operator]


def _weights(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}
