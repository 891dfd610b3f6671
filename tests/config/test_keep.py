"""The keeper of a worker: starts it again when it dies, and takes it along when it is told to stop."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.environment import PROJECT

PATIENCE = 30  # seconds: far more than anything here takes
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def keep() -> Iterator[Start]:
    """Starts a keeper over a shell script, with pauses and grace of the test's choice."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *, pause: float = 0.1, grace: float = 0.5) -> subprocess.Popen[str]:
        code = (
            f"from config import keep; keep.FIRST_PAUSE = {pause}; keep.LONGEST_PAUSE = {max(pause, 1)}; "
            f"keep.GRACE = {grace}; raise SystemExit(keep.main(['sh', '-c', {script!r}]))"
        )
        started.append(
            subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True, bufsize=1)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _until(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(pid: str) -> bool:
    """Running: neither gone nor a zombie that nobody has reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_dying_command_is_started_again(keep: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = keep(f"echo $$ >> {log}; [ $(wc -l < {log}) -ge 3 ] && exec sleep 600; kill -9 $$")
    assert _until(lambda: len(_lines(log)) == 3)
    assert keeper.poll() is None
    assert keeper.stdout is not None
    assert keeper.stdout.readline().startswith("sh died (status -9); starting it again")


def test_clean_exit_ends_the_keeper(keep: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert keep(f"echo once >> {log}").wait(PATIENCE) == 0
    assert _lines(log) == ["once"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_the_command_once(keep: Start, tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    keeper = keep(f"trap 'echo asked >> {log}; exit 0' TERM; echo ready >> {log}; sleep 600 & wait", grace=20)
    assert _until(lambda: _lines(log) == ["ready"])
    keeper.send_signal(number)
    keeper.send_signal(number)
    assert keeper.wait(PATIENCE) == 0
    assert _lines(log) == ["ready", "asked"]


def test_stubborn_command_is_taken_down_with_its_children(keep: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = keep(f"trap '' TERM; sleep 600 & echo $$ >> {log}; echo $! >> {log}; wait; wait; sleep 600")
    assert _until(lambda: len(_lines(log)) == 2)
    keeper.terminate()
    assert keeper.wait(PATIENCE) == 0
    assert _until(lambda: not any(map(_lives, _lines(log))))


def test_stop_ends_the_pause_between_two_starts(keep: Start) -> None:
    keeper = keep("exit 3", pause=600)
    assert keeper.stdout is not None
    assert "status 3" in keeper.stdout.readline()
    keeper.terminate()
    assert keeper.wait(PATIENCE) == 0


def test_killed_keeper_takes_its_command_along(keep: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = keep(f"echo $$ >> {log}; exec sleep 600")
    assert _until(lambda: len(_lines(log)) == 1)
    keeper.kill()
    keeper.wait()
    assert _until(lambda: not _lives(_lines(log)[0]))
