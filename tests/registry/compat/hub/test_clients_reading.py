"""Unmodified clients read from a running site: facts, lists, the gate, downloads, access requests, diffusers."""

import hashlib
import http.client
import re
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import PROJECT, Site, memory
from tests.registry.compat.hub.conftest import HERE, VERSIONS, HubClient
from tests.safetensors_bytes import lora_bytes

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
    assert person.name in client.hf("auth", "whoami").stdout
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


class _Cutting(ThreadingHTTPServer):
    """A way to the site on which the first answer to a GET of weights breaks off; keeps the ranges that are asked."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), _CutAnswer)
        self.site, self.ranges = urlsplit(site.url).netloc, []  # type: ignore[var-annotated]
        self.url = f"http://127.0.0.1:{self.server_port}"


class _CutAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Cutting

    def do_GET(self) -> None:
        with closing(http.client.HTTPConnection(self.server.site, timeout=60)) as site:
            site.request(self.command, self.path, headers=dict(self.headers))
            answer = site.getresponse()
            body = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET" and self.path.endswith(".safetensors"):
            self.server.ranges.append(self.headers.get("Range"))
            if len(self.server.ranges) == 1:
                body, self.close_connection = body[: len(body) * 2 // 3], True
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the ranges are kept."""


def test_cut_download_goes_on_where_it_was(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    """The rest arrives by Range; the file has some of the 10 MB pieces in which clients write to the disk."""
    person = _person(hub_site, client, "cut")
    content = lora_bytes(rank=32_768, seed=list(VERSIONS).index(client.version))
    person.upload("large", content)
    assert person.inspected("large", seconds=300)["state"] == "published"
    repo, file = f"{person.name}/large", "large.safetensors"
    _accept(person, repo)
    with _Cutting(hub_site) as way:
        Thread(target=way.serve_forever, daemon=True).start()
        client = client.signed_in(hub_site, tmp_path / "home", person.token, HF_ENDPOINT=way.url)
        command = ("download", repo, file, "--local-dir", str(tmp_path / "here"))
        if client.hf(*command).returncode != 0:  # older ones give up, and are called again
            assert client.version != "newest"
            assert client.hf(*command).returncode == 0
        way.shutdown()
    assert (tmp_path / "here" / file).read_bytes() == content
    first, second = way.ranges
    assert first is None
    if client.version == "before-xet":  # keeps nothing of what came, and asks for the whole again
        assert second is None
    else:
        assert int(second.removeprefix("bytes=").removesuffix("-")) > 10_000_000


def test_owner_lets_people_in_by_the_client(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    """Who asks is refused until the owner answered, and then meets the terms as everybody does."""
    keeper, asking = _person(hub_site, client, "keeper"), _person(hub_site, client, "asking")
    number = list(VERSIONS).index(client.version)
    keeper.upload("byhand", lora_bytes(seed=90 + number))
    assert keeper.inspected("byhand", seconds=300)["state"] == "published"
    repo, named = f"{keeper.name}/byhand", {"WEIGHTS": "byhand.safetensors"}
    owner = client.signed_in(hub_site, tmp_path / "owner", keeper.token, **named)
    other = client.signed_in(hub_site, tmp_path / "other", asking.token, **named)
    assert owner.reading("by_hand", repo) == "manual"
    page = f"/{repo}/access"
    assert other.reading("download", repo) == {"refused": 403, "warning": f"licence; {hub_site.url}{page}"}
    assert asking.post_form(page, reason="For a poster.").status == 302
    answered = {"pending": [[asking.name, {"Reason": "For a poster."}]], "accepted": [asking.name], "rejected": []}
    assert owner.reading("asked", repo) == answered
    refused = other.reading("download", repo)
    assert refused == {"refused": 403, "warning": f"licence; {hub_site.url}/{repo}/v/1/download"}
    _accept(asking, repo)
    assert "size" in other.reading("download", repo)


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
