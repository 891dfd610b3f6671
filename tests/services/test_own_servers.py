"""The registry on servers of one's own: PostgreSQL with a password, Redis as broker, nginx in front."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.e2e.clients import Person
from tests.e2e.sites import Site, running_site, site_folder, until
from tests.safetensors_bytes import lora_bytes
from tests.services.programs import nginx_server, postgres_server, redis_server

pytestmark = pytest.mark.service
MIB = 1024**2
CONTENT = lora_bytes(seed=21, rank=64)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    folder = site_folder("postgres")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with postgres_server(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def site(database: str, broker: str) -> Iterator[Site]:
    given = {"DATABASE_URL": database, "CELERY_BROKER_URL": broker, "DELIVERY": "nginx", "CACHE_URL": broker}
    with running_site("own", "--no-demo", **given) as running:
        yield running


@pytest.fixture(scope="module")
def front(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx before the site."""
    folder = tmp_path_factory.mktemp("nginx")
    with nginx_server(folder, site_port=site.port, files=site.folder / "files") as url:
        yield url


@pytest.fixture(scope="module")
def rosa(site: Site) -> Person:
    """Somebody with a published adapter."""
    person = Person(site, "rosa")
    person.upload("rose", CONTENT)
    assert person.inspected("rose")["state"] == "published"
    return person


def test_upload_is_inspected_and_previewed_through_redis(site: Site, broker: str, rosa: Person) -> None:
    job = rosa.previewed("rose")
    assert job["state"] == "done"
    assert len(rosa.pictures("rose")) == job["pictures_total"] > 0
    # Redis alone carried the news: the files of the embedded broker were never written.
    assert list((site.folder / "broker" / "messages").iterdir()) == []
    with redis.Redis.from_url(broker) as client:
        assert client.smembers("_kombu.binding.default")
        assert client.smembers("_kombu.binding.gpu")


def test_database_of_ones_own_holds_everything(site: Site, rosa: Person) -> None:
    assert site.rows("SELECT name FROM registry_adapter") == [("rose",)]
    assert not (site.folder / "postgres").exists()  # nothing embedded was started beside it


def test_nginx_delivers_the_same_bytes(front: str, rosa: Person) -> None:
    path = urlsplit(rosa.download_url("rose")).path

    alone = rosa.ask("GET", path)
    assert (alone.status, alone.body) == (200, b"")  # the web process only says where the file lies
    assert alone.headers["X-Accel-Redirect"].startswith("/protected/blobs/")

    answer = rosa.ask("GET", front + path)
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(CONTENT).digest()
    assert "rose.safetensors" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "X-Accel-Redirect" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=1000-1999", 1000, 1999), ("bytes=-7", len(CONTENT) - 7, len(CONTENT) - 1)],
)
def test_nginx_answers_ranges(front: str, rosa: Person, wanted: str, first: int, last: int) -> None:
    path = urlsplit(rosa.download_url("rose")).path
    answer = rosa.ask("GET", front + path, Range=wanted)
    assert answer.status == 206
    assert answer.body == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_protected_address_is_absent_without_the_gate(site: Site, front: str, rosa: Person) -> None:
    ((key,),) = site.rows("SELECT storage_key FROM registry_blob")
    assert (site.folder / "files" / key).read_bytes() == CONTENT
    for path in (f"/protected/{key}", f"/protected/../protected/{key}", "/protected/", f"/files/{key}", f"/{key}"):
        assert rosa.ask("GET", front + path).status in {404, 410}, path
    assert rosa.ask("GET", f"{front}/protected/{key}").status == 404


def test_forged_link_delivers_nothing(front: str, rosa: Person) -> None:
    path = urlsplit(rosa.download_url("rose")).path
    answer = rosa.ask("GET", f"{front}{path[:-1]}{'A' if path[-1] != 'A' else 'B'}")
    assert answer.status in {403, 404, 410}
    assert CONTENT[:64] not in answer.body


def test_broken_upload_through_nginx_keeps_what_arrived(front: str, site: Site, rosa: Person, tmp_path: Path) -> None:
    """nginx hands an upload on as it comes; kept back until it is whole, nothing of a broken one would arrive."""
    address = front + urlsplit(rosa.tus_create(40 * MIB, "long.safetensors")).path
    connection = rosa.tus_connection(address, 0, 40 * MIB)
    for _ in range(20):
        connection.send(bytes(MIB))
    arriving = site.folder / "uploads" / address.rsplit("/", 1)[1]
    until(lambda: arriving.stat().st_size > 16 * MIB, "the first half at the site", 30)
    connection.close()
    offset = until(lambda: rosa.tus_offset(address), "an offset to go on from", 30)
    assert 16 * MIB <= offset <= 20 * MIB
