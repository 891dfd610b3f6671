"""Large files at a real server: broken uploads that go on, bytes that stay the same, memory that stays flat."""

import hashlib
import json
import resource
import signal
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, forget_peak, memory, peak_memory, running_site, signal_all, until
from tests.registry.artifacts.builders import lora

pytestmark = pytest.mark.slow
MIB = 1024**2
LARGE = 300 * MIB
PIECE = MIB
ALLOWED = 64 * MIB  # over the idle web process


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site of its own: its server is killed."""
    with running_site("uploads", "--no-demo", RATE_USER="100000/min") as running:
        yield running


@pytest.fixture(scope="module")
def tess(site: Site) -> Person:
    return Person(site, "tess")


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for Stable Diffusion 1.x of 300 MB: real names and shapes, all zeros, and a hole on the disk."""
    header: dict[str, object] = {}
    at = 0
    blocks = [f"lora_unet_down_blocks_0_attentions_{n}_transformer_blocks_0" for n in (0, 1)]
    modules = [f"{block}_attn2_to_{part}" for block in blocks for part in "kv"]
    rank = LARGE // (len(modules) * (768 + 320) * 4) + 1
    for module in modules:
        for name, shape in lora(module, into=768, out=320, rank=rank).items():
            size = 4 * (shape[0] * shape[1] if shape else 1)
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
            at += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path = tmp_path_factory.mktemp("large") / "large.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + at)
    return path


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(PIECE, end - start))):
            start += len(piece)
            yield piece


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, sink: "hashlib._Hash") -> int:
    size = 0
    with urllib.request.urlopen(url, timeout=120) as response:
        while piece := response.read(PIECE):
            sink.update(piece)
            size += len(piece)
    return size


def _settled(site: Site, address: str) -> int:
    """The size of what has reached the disk for this upload."""
    return (site.folder / "uploads" / address.rsplit("/", 1)[1]).stat().st_size


def test_killed_client_and_killed_server_resume_to_the_same_bytes(site: Site, tess: Person, large_file: Path) -> None:
    length = large_file.stat().st_size
    address = tess.tus_create(length, "large.safetensors")

    first = tess.tus_connection(address, 0, length)
    for piece in _pieces(large_file, 0, 100 * MIB):
        first.send(piece)
    first.close()  # the client is gone without a word

    until(lambda: tess.tus_offset(address) == 100 * MIB, "all that arrived before the client died")

    second = tess.tus_connection(address, 100 * MIB, length - 100 * MIB)
    for piece in _pieces(large_file, 100 * MIB, 200 * MIB):
        second.send(piece)
    until(lambda: _settled(site, address) > 190 * MIB, "the second part on the disk")
    master = [pid for pid in site.pids("gunicorn config.wsgi") if pid not in site.web_workers()]
    signal_all(site.web_workers() + master, signal.SIGKILL)
    second.close()
    assert site.process is not None
    assert site.process.wait(timeout=30) != 0
    assert until(lambda: not site.processes(), "an end of everything after the server died", 20)

    site.start()
    offset = tess.tus_offset(address)
    assert 180 * MIB < offset < length
    assert tess.tus_patch(address, 0, b"again").status == 409  # only the offset that HEAD tells goes on

    tess.tus_stream(address, offset, _pieces(large_file, offset, length), length - offset)
    assert tess.tus_offset(address) == length
    tess.submit("large", address, base_model="sd-1-5", licence_id="creativeml-openrail-m")
    version = tess.inspected("large", 180)
    assert version["state"] == "published", version["state_detail"]
    assert version["files"][0]["sha256"] == _sha256(large_file)


def test_large_download_resumes_and_keeps_memory_flat(site: Site, tess: Person, large_file: Path) -> None:
    worker, *others = site.web_workers()
    assert others == []
    url = tess.download_url("large")
    idle = memory(worker)
    forget_peak(worker)

    digest = hashlib.sha256()
    assert _download(url, digest) == large_file.stat().st_size
    assert digest.hexdigest() == _sha256(large_file)
    assert peak_memory(worker) - idle < ALLOWED

    tail = large_file.stat().st_size - 3 * MIB
    answer = tess.ask("GET", url, Range=f"bytes={tail}-")
    assert (answer.status, len(answer.body)) == (206, 3 * MIB)
    assert answer.body == b"".join(_pieces(large_file, tail, tail + 3 * MIB))


def test_large_upload_keeps_memory_flat(site: Site, tess: Person, large_file: Path) -> None:
    (worker,) = site.web_workers()
    length = large_file.stat().st_size
    address = tess.tus_create(length, "again.safetensors")
    idle = memory(worker)
    forget_peak(worker)

    tess.tus_stream(address, 0, _pieces(large_file, 0, length), length)

    assert tess.tus_offset(address) == length
    assert peak_memory(worker) - idle < ALLOWED
    assert site.web_workers() == [worker]  # the same process all along


def test_disk_without_room_refuses_a_piece_and_keeps_what_came(site: Site, tess: Person) -> None:
    """The kernel takes no byte of the server's beyond 2 MiB of a file, as a quota or a full disk would."""
    (worker,) = site.web_workers()
    address = tess.tus_create(5 * MIB, "full.safetensors")
    assert tess.tus_patch(address, 0, bytes(MIB)).status == 204

    usual = resource.prlimit(worker, resource.RLIMIT_FSIZE, (2 * MIB, resource.RLIM_INFINITY))
    try:
        answer = tess.tus_patch(address, MIB, bytes(4 * MIB))
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, usual)

    assert answer.status == 507, answer.text
    assert "no room left" in answer.json()["detail"]
    offset = tess.tus_offset(address)
    assert MIB <= offset <= 2 * MIB
    assert tess.tus_patch(address, offset, bytes(5 * MIB - offset)).status == 204
