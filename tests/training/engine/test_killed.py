"""Killed at random points, a run always goes on, and its result is that of a run that nobody disturbed, bit for bit."""

import os
import random
import signal
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


class Runs:
    """What starts a run in a process of its own, and the lines that it tells."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.orders, self.lines = process.stdin, process.stdout

    def _start(self, folder: Path) -> int:
        print(folder, file=self.orders, flush=True)
        return int(self._next("pid"))

    def _next(self, word: str) -> str:
        """What is told next, which must be of this kind."""
        found, _, rest = self.lines.readline().strip().partition(" ")
        assert found == word, f"{found} {rest} instead of {word}"
        return rest

    def whole(self, folder: Path) -> str:
        """Run to the end; the digests of the files."""
        self._start(folder)
        told = ""
        while not told.startswith("files "):
            told = self.lines.readline()
            assert told.startswith(("event ", "files ")), told
        assert self._next("ended") == "0"
        return told

    def killed(self, folder: Path, events: int) -> None:
        """Start or go on, and SIGKILL after so many events."""
        pid = self._start(folder)
        for _ in range(events):
            self._next("event")
        os.kill(pid, signal.SIGKILL)
        told = "event"
        while told.startswith("event"):  # what it had said before the signal came
            told = self.lines.readline()
        assert told == "ended -9\n"


@contextmanager
def _runs(base: Path, pictures: Path) -> Iterator[Runs]:
    command = [sys.executable, "-m", "tests.training.engine.killed", str(base), str(pictures)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        yield Runs(process)


@pytest.mark.slow
def test_run_killed_twenty_times_gives_the_result_of_one_never_disturbed(sd1: Path, tmp_path: Path) -> None:
    chance = random.Random(20)
    with _runs(sd1, tmp_path / "pictures") as runs:
        for _ in range(KILLS):
            runs.killed(tmp_path / "killed", chance.randint(1, LINES))
        assert runs.whole(tmp_path / "killed") == runs.whole(tmp_path / "whole")
    ends = [tmp_path / name / "run" / "checkpoints" / f"step-{STEPS:08d}" for name in ("killed", "whole")]
    for name in ("adapter", "optimizer", "average"):
        assert same(*(load_file(end / f"{name}.safetensors") for end in ends)), name
