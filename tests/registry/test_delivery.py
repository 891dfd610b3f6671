"""The bytes behind a link: whole, in ranges, resumed, by nginx or by a presigned address."""

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from governance.policy import Use
from registry.models import Version
from registry.services.delivery import gate_accept, gate_ask, link_token
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
CONTENT = lora_bytes(rank=16)
SIZE = len(CONTENT)


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"), content=CONTENT, filename="mein stil é.safetensors")


@pytest.fixture
def link(version: Version) -> str:
    asked: dict[str, Any] = {
        "actor": make_user("bob"), "organisation": None, "version": version, "use": Use.PERSONAL,
    }  # fmt: skip
    receipt = gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
    return reverse("delivery", args=[link_token(receipt=receipt)])


def _content(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


def _ranged(client: Client, link: str, wanted: str, **headers: str) -> Any:
    return client.get(link, headers={"Range": wanted, **headers})


def test_link_hands_out_exactly_the_bytes_that_were_uploaded(client: Client, link: str, version: Version) -> None:
    response = client.get(link)
    assert response.status_code == 200
    assert _content(response) == CONTENT
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == f'"{version.files.get().sha256}"'
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert "mein%20stil%20%C3%A9.safetensors" in response["Content-Disposition"]


def test_head_tells_the_size_without_the_bytes(client: Client, link: str) -> None:
    response = client.head(link)
    assert response.status_code == 200
    assert response["Content-Length"] == str(SIZE)
    assert _content(response) == b""


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes=5-{SIZE * 2}", 5, SIZE - 1),
    ],
)
def test_range_is_answered_with_its_part(client: Client, link: str, wanted: str, first: int, last: int) -> None:
    response = _ranged(client, link, wanted)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response["Content-Length"] == str(last - first + 1)
    assert _content(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", f"bytes={10**30}-"])
def test_range_behind_the_end_cannot_be_satisfied(client: Client, link: str, wanted: str) -> None:
    response = _ranged(client, link, wanted)
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{SIZE}"
    assert _content(response) == b""


@pytest.mark.parametrize(
    "wanted", ["bytes=-", "bytes=", "lines=0-5", "bytes=a-b", "bytes=0-1,5-6", "bytes", "0-5", "²"]
)
def test_range_that_is_none_gets_the_whole(client: Client, link: str, wanted: str) -> None:
    response = _ranged(client, link, wanted)
    assert response.status_code == 200
    assert _content(response) == CONTENT


def test_resumption_goes_on_if_the_file_is_still_the_same(client: Client, link: str) -> None:
    begun = _ranged(client, link, "bytes=0-99")
    etag, first = begun["ETag"], _content(begun)
    rest = _ranged(client, link, "bytes=100-", **{"If-Range": etag})
    assert rest.status_code == 206
    assert first + _content(rest) == CONTENT


@pytest.mark.parametrize("condition", ['"another"', 'W/"weak"', "Wed, 21 Oct 2026 07:28:00 GMT", "rubbish"])
def test_resumption_of_another_file_gets_the_whole(client: Client, link: str, condition: str) -> None:
    response = _ranged(client, link, "bytes=100-", **{"If-Range": condition})
    assert response.status_code == 200
    assert _content(response) == CONTENT


def test_link_cannot_be_posted_to(client: Client, link: str) -> None:
    assert client.post(link).status_code == 405


def test_nginx_is_told_where_the_file_lies_and_sends_it(
    client: Client, link: str, version: Version, settings: Any
) -> None:
    settings.DELIVERY, settings.DELIVERY_NGINX_LOCATION = "nginx", "/protected/"
    response = client.get(link)
    assert response.status_code == 200
    assert response["X-Accel-Redirect"] == "/protected/" + version.files.get().blob.storage_key
    assert response["Content-Disposition"].startswith("attachment")
    assert response.content == b""


def test_s3_is_asked_for_a_short_lived_address(
    client: Client, link: str, version: Version, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def url(key: str, *, parameters: dict[str, str], expire: int) -> str:
        asked.update(parameters, key=key, expire=expire)
        return "https://store.example/signed"

    monkeypatch.setattr(default_storage, "url", url)
    settings.DELIVERY = "s3"
    response = client.get(link)
    assert response.status_code == 302
    assert response["Location"] == "https://store.example/signed"
    assert response["Cache-Control"] == "no-store"
    assert asked["key"] == version.files.get().blob.storage_key
    assert asked["expire"] == settings.DOWNLOAD_URL_LIFETIME.total_seconds()
    assert asked["ResponseContentDisposition"].startswith("attachment")
