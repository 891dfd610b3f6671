"""Unmodified clients read from a running site: facts, lists, the gate, downloads, access requests, diffusers."""

import hashlib
import http.client
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import PROJECT, Site, memory
from tests.registry.compat.hub.conftest import HERE, VERSIONS, HubClient

pytestmark = [pytest.mark.service, pytest.mark.slow]
REPO, FILE = "ada/outlined", "outlined.safetensors"
TERMS = re.compile(r'name="terms" value="([0-9a-f]{64})"')
IDLE_MOST = 150 * 1024**2  # bytes over an idle server
Clients = Callable[[str], HubClient]


@pytest.fixture(params=list(VERSIONS))
def client(request: pytest.FixtureRequest, hub_clients: Clients) -> HubClient:
    return hub_clients(request.param)


def _accept(person: Person, repo: str) -> None:
    """On the page, as a person does it."""
    page = f"/{repo}/v/1/download"
    assert person.ask("GET", page).status == 200
    shown = person.post_form(page, step="ask", use="personal", organisation="")
    found = TERMS.search(shown.text)
    assert found, shown.text[:500]
    answer = person.post_form(page, step="accept", use="personal", organisation="", terms=found[1])
    assert answer.status == 200, answer.text[:500]


def _person(site: Site, client: HubClient, why: str) -> Person:
    return Person(site, f"{why}-{client.version}")


def test_client_reads_facts_trees_history_and_lists(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    person = _person(hub_site, client, "reader")
    client = client.signed_in(hub_site, tmp_path, person.token, WEIGHTS=FILE)
    assert client.reading("whoami", REPO) == {"name": person.name, "role": "write"}
    facts = client.reading("facts", REPO)
    assert (facts["id"], facts["gated"], facts["private"]) == (REPO, "auto", False)
    assert set(facts["files"]) == {"README.md", FILE}
    assert "base_model:adapter:tinybase" in facts["tags"]
    reading = client.reading("reading", REPO)
    assert reading == {
        "tree": ["README.md", FILE],
        "paths": [FILE],
        "branches": ["main"],
        "commits": [facts["sha"]],
        "exists": [True, True, False],
        "revision": [True, False],
    }
    listed = client.reading("listing", REPO)
    assert REPO in listed["author"]
    assert all(name.startswith("ada/") for name in listed["author"])
    assert listed["filtered"] == [REPO]
    assert listed["paged"] == 3
    assert len(listed["sorted"]) == 2
    assert [name.removeprefix("Remote") for name in client.reading("errors", REPO)] == [
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "EntryNotFoundError",
    ]


def test_gate_refuses_and_the_same_command_passes_after_acceptance(
    client: HubClient, hub_site: Site, tmp_path: Path
) -> None:
    person = _person(hub_site, client, "gated")
    client = client.signed_in(hub_site, tmp_path / "home", person.token, WEIGHTS=FILE)
    worker = hub_site.web_workers()[0]
    before = memory(worker)
    assert client.reading("gate", REPO)["open"] is False
    refused = client.reading("download", REPO)
    assert refused["refused"] == 403
    assert refused["warning"] == f"licence; {hub_site.url}/{REPO}/v/1/download"
    command = ("download", REPO, "--local-dir", str(tmp_path / "here"))
    said = client.hf(*command)
    assert said.returncode != 0
    _accept(person, REPO)
    assert client.reading("gate", REPO)["open"] is True
    done = client.hf(*command)
    assert done.returncode == 0, done.stderr
    facts = client.reading("facts", REPO)
    content = (tmp_path / "here" / FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["lfs"][FILE]
    assert client.reading("download", REPO)["size"] == len(content)
    assert client.reading("snapshot", REPO) == {"files": ["README.md", FILE], "sha": facts["sha"]}
    assert memory(worker) - before < IDLE_MOST


def test_guest_is_told_where_the_terms_are(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    client = client.signed_in(hub_site, tmp_path, WEIGHTS=FILE, HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert client.reading("facts", REPO)["id"] == REPO
    refused = client.reading("download", REPO)
    assert refused == {"refused": 401, "warning": f"licence; {hub_site.url}/{REPO}/v/1/download"}


def test_cut_download_goes_on_where_it_was(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    """Half of the file lies in the cache as an interrupted download leaves it; the rest arrives by Range."""
    person = _person(hub_site, client, "cut")
    _accept(person, REPO)
    client = client.signed_in(hub_site, tmp_path, person.token, WEIGHTS=FILE)
    facts = client.reading("facts", REPO)
    blobs = tmp_path / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    whole = _fetched(hub_site, person)
    (blobs / f"{facts['lfs'][FILE]}.incomplete").write_bytes(whole[: len(whole) // 2])
    got = Path(client.reading("download", REPO)["path"]).read_bytes()
    assert got == whole


def _fetched(site: Site, person: Person) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {person.token}"}
    connection.request("GET", f"/{REPO}/resolve/main/{FILE}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def test_diffusers_loads_by_name_once_the_terms_are_accepted(
    diffusers_client: HubClient, hub_site: Site, tmp_path: Path
) -> None:
    person = _person(hub_site, diffusers_client, "maker")
    more = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    client = diffusers_client.signed_in(hub_site, tmp_path, person.token, **more)
    script, base = HERE / "diffusers_client.py", str(PROJECT / "inference" / "tinybase")
    assert "GatedRepoError" in client.run(script, base, REPO, FILE)["refused"]
    _accept(person, REPO)
    assert client.run(script, base, REPO, FILE)["changed"] is True
    assert client.run(script, base, REPO)["changed"] is True  # the file is found by the client
