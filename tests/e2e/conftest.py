"""A running product for the browser: `bin/serve` with a data folder of its own, and a headless Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


@dataclass(frozen=True)
class Site:
    """A running `bin/serve`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"bin/serve was not ready after {START_SECONDS} s:\n{log.read_text()}")


def serve(folder: Path, port: int, *arguments: str, **environment: str) -> Site:
    """Start `bin/serve` and wait until it answers."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "DJANGO_SETTINGS_MODULE"}}
    log = folder.parent / f"{folder.name}.log"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(PROJECT / "bin" / "serve"), "--port", str(port), *arguments],
            env={**kept, "DATA_DIR": str(folder), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    site = Site(f"http://127.0.0.1:{port}", process, log, folder)
    wait_until_ready(site.url, process, log)
    return site


def stop(site: Site) -> int:
    """What Ctrl-C does; the exit status."""
    os.killpg(site.process.pid, signal.SIGINT)
    return site.process.wait(timeout=60)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    # Not in pytest's own folder: the database's user must be able to pass through all parents.
    folder = PROJECT / "var" / f"e2e-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    running = serve(folder, free_port(), "--no-demo")
    yield running
    if running.process.poll() is None:
        stop(running)
    shutil.rmtree(folder, ignore_errors=True)
    running.log.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, accept_downloads=True)
    context.set_default_timeout(30_000)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []
