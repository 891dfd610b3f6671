"""Killed at random points, a run always goes on, and its result is that of a run that nobody disturbed, bit for bit."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.factories.trainer import same
from tests.training.engine.killed import STEPS

KILLS = 20
LINES = 40  # events after which a kill comes at the latest; the first half of them is told before the first step


@contextmanager
def _process(base: Path, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.training.engine.killed", str(base), str(folder / "pictures"), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _whole(base: Path, folder: Path) -> str:
    """Run to the end; the digests of the files."""
    with _process(base, folder) as process:
        assert process.stdout is not None
        lines = list(process.stdout)
        assert process.wait() == 0
    return lines[-1]


def _killed(base: Path, folder: Path, lines: int) -> None:
    """Start or go on, and SIGKILL after so many events."""
    with _process(base, folder) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline() != "", "the run ended before it was killed"
        process.kill()
        assert process.wait() == -9


@pytest.mark.slow
def test_run_killed_twenty_times_gives_the_result_of_one_never_disturbed(sd1: Path, tmp_path: Path) -> None:
    chance = random.Random(20)
    for _ in range(KILLS):
        _killed(sd1, tmp_path / "killed", chance.randint(1, LINES))
    assert _whole(sd1, tmp_path / "killed") == _whole(sd1, tmp_path / "whole")
    ends = [tmp_path / name / "run" / "checkpoints" / f"step-{STEPS:08d}" for name in ("killed", "whole")]
    for name in ("adapter", "optimizer", "average"):
        assert same(*(load_file(end / f"{name}.safetensors") for end in ends)), name
