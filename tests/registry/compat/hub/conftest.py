"""Unmodified clients of the Hub, each version in a virtual environment of its own, and a site to use them against."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sites import PROJECT, Site, running_site

HERE = Path(__file__).parent
# The newest, the newest before Xet became the only way to upload, and the last of those that many people still have.
VERSIONS = {"newest": "2.*", "before-xet": "1.19.*", "old": "0.36.*"}
CLIENT_SECONDS = 600


@dataclass
class HubClient:
    """One version of huggingface_hub with its `hf` command."""

    version: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def signed_in(self, site: Site, home: Path, token: str = "", **more: str) -> "HubClient":
        """The same client, pointed at the site, with a token and an empty cache of its own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
        kept = {"HF_ENDPOINT": site.url, "HF_HOME": str(home), "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
        kept |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_COLOR": "1"}
        return HubClient(self.version, self.folder, {**clean, **kept, **more})

    def hf(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The `hf` command."""
        return self._run([str(self.folder / "bin" / "hf"), *arguments])

    def run(self, script: Path, *arguments: str) -> Any:
        """A script in the client's own Python; the JSON that it printed last."""
        done = self._run([str(self.folder / "bin" / "python"), str(script), *arguments])
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    def reading(self, step: str, repo: str) -> Any:
        """One step of `reading_client.py`."""
        return self.run(HERE / "reading_client.py", step, repo)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
        )


@pytest.fixture(scope="session")
def hub_clients() -> Callable[[str], HubClient]:
    """A client by its name in VERSIONS; its environment is made once and kept under `var/clients`."""

    def made(name: str) -> HubClient:
        folder = PROJECT / "var" / "clients" / name
        if not (folder / "made").exists():
            venv.create(folder, with_pip=True, clear=True)
            wanted = f"huggingface_hub=={VERSIONS[name]}"
            install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", wanted]
            subprocess.run(install, check=True, capture_output=True, timeout=CLIENT_SECONDS)
            (folder / "made").touch()
        return HubClient(name, folder)

    return made


@pytest.fixture(scope="session")
def diffusers_client() -> HubClient:
    """The project's own environment, which has diffusers and the client that it needs."""
    return HubClient("diffusers", Path(sys.prefix))


@pytest.fixture(scope="package")
def hub_site() -> Iterator[Site]:
    """A running `bin/serve` with the starter adapters."""
    with running_site("hub", RATE_USER="100000/min", RATE_ANON="100000/min") as running:
        yield running
