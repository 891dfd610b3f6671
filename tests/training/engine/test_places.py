"""Devices and processes: what is not there is said, and two processes learn what one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.engine.shared_run import RECIPE
from training.engine import TrainingError
from training.engine.config import Precision
from training.engine.places import Place, find_place


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_absent_gpu_is_said() -> None:
    with pytest.raises(TrainingError) as caught:
        find_place("cuda", Precision.BF16)
    assert caught.value.code == "no-gpu"


def test_base_is_whole_on_a_cpu_and_half_on_a_gpu() -> None:
    assert Place(torch.device("cpu"), Precision.BF16).dtype == torch.float32
    assert Place(torch.device("cuda"), Precision.BF16).dtype == torch.bfloat16
    assert Place(torch.device("cuda"), Precision.FP32).dtype == torch.float32


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _start(rank: int, world: int, port: int, base: Path, folder: Path) -> "subprocess.Popen[bytes]":
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": port}
    environment = {**os.environ, **{name: str(value) for name, value in names.items()}, "MASTER_ADDR": "127.0.0.1"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "tests.training.engine.shared_run", str(base), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(sd1: Path, tmp_path: Path) -> None:
    for world in (1, 2):
        port = _free_port()
        processes = [_start(rank, world, port, sd1, tmp_path / str(world)) for rank in range(world)]
        assert [process.wait() for process in processes] == [0] * world
    ends = [tmp_path / name / "run" / "checkpoints" / f"step-{RECIPE.steps:08d}" for name in "12"]
    one, two = (load_file(end / "adapter.safetensors") for end in ends)
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=1e-3, atol=1e-4), name
    results = [sorted(path.name for path in (tmp_path / name).rglob("adapter-*.safetensors")) for name in "12"]
    assert results[0] == results[1] == ["adapter-diffusers.safetensors", "adapter-kohya.safetensors"]
