"""The registry on an S3-compatible store: files go there, previews come from there, downloads leave from there."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from django.core.files.storage import default_storage
from django.test import RequestFactory

from registry.delivery import deliver
from registry.models import Blob
from registry.storage import adopt_file, local_copy, store_bytes
from tests.e2e.clients import Person
from tests.e2e.sites import Site, running_site
from tests.safetensors_bytes import lora_bytes
from tests.services.programs import s3_server

pytestmark = pytest.mark.service
BUCKET = "adapters"
KEYS = {"S3_ACCESS_KEY_ID": "who", "S3_SECRET_ACCESS_KEY": "secret", "S3_REGION": "eu-central-1"}
CONTENT = lora_bytes(seed=31, rank=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The address of the store, and its bucket."""
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        bucket = boto3.resource(
            "s3",
            endpoint_url=url,
            region_name=KEYS["S3_REGION"],
            aws_access_key_id=KEYS["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["S3_SECRET_ACCESS_KEY"],
        ).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": KEYS["S3_REGION"]})
        yield url, bucket


@pytest.fixture(scope="module")
def site(store: tuple[str, Any]) -> Iterator[Site]:
    given = {"S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": store[0], "DELIVERY": "s3", **KEYS}
    with running_site("s3", "--no-demo", **given) as running:
        yield running


@pytest.fixture(scope="module")
def sam(site: Site) -> Person:
    person = Person(site, "sam")
    person.upload("sand", CONTENT)
    assert person.inspected("sand")["state"] == "published"
    return person


def test_intake_stores_in_the_bucket_and_nowhere_else(site: Site, store: tuple[str, Any], sam: Person) -> None:
    ((key,),) = site.rows("SELECT storage_key FROM registry_blob")
    assert store[1].Object(key).get()["Body"].read() == CONTENT
    assert not (site.folder / "files").exists()


def test_previews_render_from_the_bucket_into_it(site: Site, store: tuple[str, Any], sam: Person) -> None:
    job = sam.previewed("sand")
    assert (job["state"], job["problem"]) == ("done", {})
    keys = [key for (key,) in site.rows("SELECT storage_key FROM registry_versionimage")]
    assert len(keys) == job["pictures_total"] > 0
    stored = {store[1].Object(key).get()["Body"].read() for key in keys}
    assert stored == set(sam.pictures("sand"))
    assert not (site.folder / "files").exists()


def test_download_is_a_presigned_address_of_the_store(store: tuple[str, Any], sam: Person) -> None:
    answer = sam.ask("GET", sam.download_url("sand"))
    assert answer.status == 302
    address = answer.headers["Location"]
    assert address.startswith(f"{store[0]}/{BUCKET}/blobs/")
    signed = parse_qs(urlsplit(address).query)
    assert signed["X-Amz-Signature"]
    assert signed["X-Amz-Expires"] == ["300"]

    whole = sam.ask("GET", address)
    assert (whole.status, whole.body) == (200, CONTENT)
    assert "sand.safetensors" in whole.headers["Content-Disposition"]
    part = sam.ask("GET", address, Range="bytes=100-199")
    assert (part.status, part.body) == (206, CONTENT[100:200])


# The storage itself, in this process


@pytest.fixture
def bucket_storage(store: tuple[str, Any], settings: Any) -> str:
    """The default storage is the bucket; the key of a file in it."""
    options = {
        **settings.S3_OPTIONS,
        "bucket_name": BUCKET,
        "endpoint_url": store[0],
        "region_name": KEYS["S3_REGION"],
        "access_key": KEYS["S3_ACCESS_KEY_ID"],
        "secret_key": KEYS["S3_SECRET_ACCESS_KEY"],
    }
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    store_bytes(content=CONTENT, key="blobs/whole")
    return "blobs/whole"


@pytest.mark.parametrize(
    ("header", "status", "wanted"),
    [
        (None, 200, slice(0, None)),
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=500-", 206, slice(500, None)),
        ("bytes=-3", 206, slice(-3, None)),
    ],
)
def test_web_process_streams_only_the_range_from_the_store(
    bucket_storage: str, header: str | None, status: int, wanted: slice
) -> None:
    headers = {"range": header} if header else {}
    request = RequestFactory(headers=headers).get("/")
    blob = Blob(sha256="ab" * 32, size=len(CONTENT), storage_key=bucket_storage)

    response: Any = deliver(request, blob=blob, filename="sand.safetensors")

    assert response.status_code == status
    assert b"".join(response.streaming_content) == CONTENT[wanted]


def test_worker_reads_a_local_copy_that_is_gone_afterwards(bucket_storage: str) -> None:
    with local_copy(bucket_storage) as path:
        assert path.read_bytes() == CONTENT
    assert not path.exists()


def test_adopting_keeps_the_file_and_stores_its_content_once(bucket_storage: str, tmp_path: Any) -> None:
    file = tmp_path / "upload"
    file.write_bytes(b"first")
    adopt_file(path=file, key="blobs/adopted")
    file.write_bytes(b"other")
    adopt_file(path=file, key="blobs/adopted")
    assert file.exists()
    with default_storage.open("blobs/adopted") as stored:
        assert stored.read() == b"first"
