"""Unmodified clients write to a running site: new, changed and deleted files, large ones, cards, and repositories."""

import hashlib
import itertools
import json
import os
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, forget_peak, memory, peak_memory, until
from tests.registry.compat.hub.calls import CARD
from tests.registry.compat.hub.conftest import HERE, VERSIONS, HubClient
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.service, pytest.mark.slow]
IDLE_MOST = 150 * 1024**2  # bytes over an idle server
LARGE = 300 * 1024**2
EDITION = "2026-11"
Clients = Callable[[str], HubClient]
STEPS = HERE / "upload_client.py"
NUMBERS = itertools.count(1)
OF_PERSON = (
    "JOIN registry_adapter a ON a.id = x.adapter_id JOIN accounts_namespace n ON n.id = a.owner_id AND n.slug = %s"
)
UNDER_WAY = (
    f"SELECT (SELECT count(*) FROM registry_xetsession x {OF_PERSON} WHERE x.size > 0) + "
    f"(SELECT count(*) FROM registry_transfer x {OF_PERSON})"
)
STORED = f"SELECT count(*) FROM registry_blob x {OF_PERSON} WHERE x.sha256 = %s"


@pytest.fixture(params=list(VERSIONS))
def client(request: pytest.FixtureRequest, hub_clients: Clients) -> HubClient:
    return hub_clients(request.param)


@pytest.fixture
def writer(client: HubClient, hub_site: Site, tmp_path: Path) -> tuple[HubClient, str]:
    """The client with the token of a person of its own, and that person's name."""
    person = Person(hub_site, f"writer-{client.version}-{next(NUMBERS)}")
    return client.signed_in(hub_site, tmp_path / "home", person.token), person.name


@pytest.fixture
def files(tmp_path: Path, client: HubClient) -> Path:
    """Two adapters, a whole card, a text in a folder, and a picture, which is not taken."""
    folder = tmp_path / "files"
    (folder / "docs").mkdir(parents=True)
    seed = 40 + 10 * list(VERSIONS).index(client.version)
    for number, name in enumerate(("one", "two")):
        (folder / f"{name}.safetensors").write_bytes(lora_bytes(seed=seed + number))
    (folder / "README.md").write_text(CARD.format(licence="apache-2.0", base="tinybase", edition=EDITION))
    (folder / "docs" / "notes.txt").write_text("Notes.")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n")
    return folder


def _large_adapter(path: Path) -> None:
    """An adapter whose weights hardly shrink: every float32 has another mantissa."""
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    rank = LARGE // (2 * 96 * 4)
    half = rank * 96 * 4
    head = {
        f"{module}.lora_down.weight": {"dtype": "F32", "shape": [rank, 96], "data_offsets": [0, half]},
        f"{module}.lora_up.weight": {"dtype": "F32", "shape": [96, rank], "data_offsets": [half, 2 * half]},
        f"{module}.alpha": {"dtype": "F32", "shape": [], "data_offsets": [2 * half, 2 * half + 4]},
        "__metadata__": {"ss_network_module": "networks.lora"},
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for number in range(2 * half // (96 * 4)):
            row = struct.pack(
                "<96I", *(0x3C000000 | ((number * 96 + place) * 2654435761 & 0x7FFFFF) for place in range(96))
            )
            file.write(row)
        file.write(struct.pack("<f", 4.0))


def test_new_changed_same_and_deleted_files(writer: tuple[HubClient, str], files: Path) -> None:
    client, name = writer
    assert client.run(STEPS, "upload", f"{name}/loras", str(files)) == {
        "moved": True,
        "same": True,
        "files": ["a/x.safetensors"],
        "after": [],
        "titles": [
            "Delete a/x.safetensors with huggingface_hub",
            "Upload a/x.safetensors with huggingface_hub",
            "Upload a/x.safetensors with huggingface_hub",
            "initial commit",
        ],
    }


def test_folder_in_one_commit_and_stale_parent(writer: tuple[HubClient, str], files: Path) -> None:
    client, name = writer
    found = client.run(STEPS, "folder", f"{name}/folder", str(files))
    assert found["stale"] == 412
    assert found["files"] == ["README.md", "one.safetensors", "two.safetensors"]


def test_card_is_held_to_the_licences_and_a_whole_one_publishes(
    writer: tuple[HubClient, str], files: Path, hub_site: Site
) -> None:
    client, name = writer
    refused = client.run(STEPS, "card", f"{name}/carded", str(files))["refused"]
    assert refused[0] == 400
    assert "stays under this agreement" in refused[1]
    query = (
        "SELECT v.base_model_id IS NOT NULL, v.licence_id, v.rights_affirmed_at IS NOT NULL FROM registry_version v "
        "JOIN registry_adapter a ON a.id = v.adapter_id JOIN accounts_namespace n ON n.id = a.owner_id "
        "WHERE n.slug = %s AND a.name = 'carded'"
    )
    assert hub_site.rows(query, name) == [(True, "apache-2.0", True)]


def test_branches_and_tags(writer: tuple[HubClient, str], files: Path) -> None:
    client, name = writer
    assert client.run(STEPS, "references", f"{name}/named", str(files)) == {
        "taken": 409,
        "branches": ["main", "try/this"],
        "tags": ["v1"],
        "files": ["n.txt"],
        "left": ["main"],
    }


def test_repository_is_hidden_moved_and_deleted(writer: tuple[HubClient, str], files: Path) -> None:
    client, name = writer
    found = client.run(STEPS, "life", f"{name}/life", str(files))
    assert found == {"private": True, "former": f"{name}/life-moved", "exists": [False, False]}


def test_what_is_not_offered_is_said(writer: tuple[HubClient, str], files: Path) -> None:
    client, name = writer
    found = client.run(STEPS, "refusals", f"{name}/plain", str(files))
    assert {step: said[0] for step, said in found.items()} == {"pull": 501, "space": 501}
    assert all("registry" in said[1] or "page" in said[1] for said in found.values())


def test_large_file_costs_the_server_no_memory(writer: tuple[HubClient, str], hub_site: Site, tmp_path: Path) -> None:
    client, name = writer
    file = tmp_path / "large.safetensors"
    _large_adapter(file)
    worker = hub_site.web_workers()[0]
    idle = memory(worker)
    forget_peak(worker)
    for number in (1, 2):  # a new file, then the same path with a few other numbers in its midst
        done = client.hf("upload", f"{name}/large", str(file))
        assert done.returncode == 0, done.stderr
        assert f"{name}/large" in done.stdout
        with file.open("r+b") as stream:
            sent = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(LARGE // 2 // 4 * 4)
            stream.write(struct.pack("<4f", *([0.25 * number] * 4)))
        assert hub_site.rows(STORED, name, sent) == [(1,)]
    assert peak_memory(worker) - idle < IDLE_MOST


def test_upload_ends_whole_although_the_web_process_was_killed_in_its_midst(
    writer: tuple[HubClient, str], hub_site: Site, tmp_path: Path
) -> None:
    client, name = writer
    file = tmp_path / "cut.safetensors"
    _large_adapter(file)
    command = [str(client.folder / "bin" / "hf"), "upload", f"{name}/cut", str(file)]
    process = subprocess.Popen(command, env=client.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: hub_site.rows(UNDER_WAY, name, name) != [(0,)], "the upload is under way")
    for worker in hub_site.web_workers():
        os.kill(worker, signal.SIGKILL)
    said, _ = process.communicate(timeout=600)
    if b"RemoteProtocolError" in said:  # clients from 1.0 on give up where the server leaves between body and answer
        subprocess.run(command, env=client.environment, check=True, capture_output=True, timeout=600)
    else:
        assert process.returncode == 0, said.decode()
    with file.open("rb") as stream:
        expected = hashlib.file_digest(stream, "sha256").hexdigest()
    assert hub_site.rows(STORED, name, expected) == [(1,)]
