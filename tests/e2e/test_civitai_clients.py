"""Public clients of the Civitai API, unmodified, from PyPI: each in an environment of its own, and a running site."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import PROJECT, Site, running_site
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.service, pytest.mark.slow]
HERE = Path(__file__).parent / "civitai_programs"
# All three are under the MIT licence.
CLIENTS = {"civitapy": "civitapy==0.1.3", "civitai-api": "civitai-api==3.0.3", "civitai-hub": "civitai-hub==0.3.2"}
LARGE = {"rank": 3000}  # over two mebibytes: below that a file has no AutoV1, which civitai-api asks for


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site("civitai", "--no-demo", RATE_USER="100000/min") as running:
        yield running


@pytest.fixture(scope="module")
def cara(site: Site) -> Person:
    """Somebody with three published adapters, whose token passes the gate for personal use."""
    person = Person(site, "cara")
    for number in range(3):
        person.upload(f"dots-{number}", lora_bytes(seed=number, **LARGE), tags=["dots"], trigger_words=["dotted"])
    for number in range(3):
        assert person.inspected(f"dots-{number}")["state"] == "published"
    [(token,)] = site.rows("SELECT id FROM accounts_apitoken")
    given = person.post_form(f"/account/tokens/{token}/pass", use="personal", agreed="on")
    assert given.status == 302, given.text
    return person


def run(client: str, *arguments: str) -> Any:
    """What the program of this client prints; its environment is made once and kept."""
    folder = PROJECT / "var" / "clients" / client
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", CLIENTS[client]], check=True, timeout=300)
    program = HERE / f"{client.replace('-', '_')}_program.py"
    done = subprocess.run(
        [str(python), str(program), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_civitapy_lists_reads_looks_up_and_downloads(site: Site, cara: Person, tmp_path: Path) -> None:
    told = run("civitapy", site.url, cara.token, str(tmp_path))
    assert (told["models"], told["me"], told["creators"], told["tags"]) == (3, "cara", ["cara"], 1)
    assert "SDXL 1.0" in told["enums"]
    assert set(told["by_hash"]) == {"AutoV1", "AutoV2", "AutoV3", "SHA256", "CRC32", "BLAKE3"}
    assert set(told["by_hash"].values()) == set(told["bulk"]) == {told["version"]}
    [path] = told["downloaded"]
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == told["sha256"]


def test_civitapy_without_a_standing_use_is_refused_at_the_gate(site: Site, cara: Person, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="forbidden"):
        run("civitapy", site.url, Person(site, "dora").token, str(tmp_path))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_models_of_civitai_api_take_every_answer(site: Site, cara: Person) -> None:
    told = run("civitai-api", site.url, cara.token)
    assert (told["models"], told["creators"], told["tags"]) == (3, ["cara"], 1)
    assert told["version"] == told["by_hash"]


def test_civitai_hub_searches_and_reads(site: Site, cara: Person) -> None:
    told = run("civitai-hub", site.url, cara.token)
    assert len(told["models"]) == 3
    assert told["model"] == told["models"][0]
