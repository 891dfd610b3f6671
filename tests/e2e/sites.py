"""A running `bin/serve` for tests: started, stopped, killed, and looked at from outside through /proc."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from config.postgres import embedded_url

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
FOREIGN = {"DATABASE_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE", "PORT", "HOST", "PUBLIC_URL", "TEST_DATABASE_NAME"}
T = TypeVar("T")


@dataclass
class Site:
    """A `bin/serve` with a data folder, a port and an environment of its own; it can be started more than once."""

    folder: Path
    port: int
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    @property
    def database_url(self) -> str:
        return self.environment.get("DATABASE_URL") or embedded_url(self.folder)

    def environ(self) -> dict[str, str]:
        """The environment of its processes: that of the tests, without what would point at the tests' own data."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return {**kept, "DATA_DIR": str(self.folder), **self.environment}

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = launch(self.environ(), "--port", str(self.port), *self.arguments, output=output)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        pytest.fail(f"bin/serve was not ready after {START_SECONDS} s:\n{self.log.read_text()}")

    def stop(self) -> int:
        """What Ctrl-C does; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=60)

    def remove(self) -> None:
        """Stop it and leave nothing."""
        if self.process is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def processes(self) -> dict[int, str]:
        """All processes of this data folder, the database's too: pid → command line."""
        own = f"DATA_DIR={self.folder}".encode()
        found = {pid: command for pid, command, environ in _all_processes() if own in environ.split(b"\0")}
        cluster = str(self.folder / "postgres" / "cluster")
        return found | {pid: command for pid, command, _ in _all_processes() if cluster in command}

    def pids(self, *words: str, keeper: bool = False) -> list[int]:
        """Processes whose command line holds all these words; supervisors only when asked for."""
        return sorted(
            pid
            for pid, command in self.processes().items()
            if all(word in command for word in words) and ("config.keep" in command) == keeper
        )

    def web_workers(self) -> list[int]:
        """The gunicorn processes that answer, without their master."""
        pids = self.pids("gunicorn config.wsgi")
        return [pid for pid in pids if parent_of(pid) in pids]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The answer of the site's own database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement, values)


def launch(
    environ: dict[str, str], *arguments: str, output: Any = subprocess.PIPE, errors: Any = subprocess.STDOUT
) -> subprocess.Popen[bytes]:
    """`bin/serve` in a process group of its own, as a terminal starts it."""
    command = [str(PROJECT / "bin" / "serve"), *arguments]
    return subprocess.Popen(command, env=environ, stdout=output, stderr=errors, start_new_session=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def site_folder(name: str) -> Path:
    """Not in pytest's own folder: the database's user must be able to pass through all parents."""
    return PROJECT / "var" / f"e2e-{name}-{os.getpid()}"


@contextmanager
def running_site(name: str, *arguments: str, **environment: str) -> Iterator[Site]:
    site = Site(site_folder(name), free_port(), arguments, environment)
    shutil.rmtree(site.folder, ignore_errors=True)
    try:
        site.start()
        yield site
    finally:
        site.remove()


def until(look: Callable[[], T], what: str, seconds: float = 90.0, every: float = 0.1) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s; the last look saw {seen!r}")
        time.sleep(every)
    return seen


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


@contextmanager
def paused(site: Site, *words: str) -> Iterator[list[int]]:
    """These processes stand still meanwhile; whichever of them lives goes on afterwards."""
    pids = site.pids(*words)
    assert pids, f"no process of {words}"
    signal_all(pids, signal.SIGSTOP)
    try:
        yield pids
    finally:
        signal_all([pid for pid in pids if Path(f"/proc/{pid}").exists()], signal.SIGCONT)


def parent_of(pid: int) -> int:
    return int(_status(pid, "PPid"))


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(_status(pid, "VmRSS").split()[0]) * 1024


def peak_memory(pid: int) -> int:
    """The most resident bytes since `forget_peak`."""
    return int(_status(pid, "VmHWM").split()[0]) * 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:"))


def _all_processes() -> Iterator[tuple[int, str, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environ = (folder / "environ").read_bytes()
            except OSError:  # it ended meanwhile, or belongs to somebody else
                continue
            if command:
                yield int(folder.name), command, environ
