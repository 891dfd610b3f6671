"""Resumable uploads over HTTP: creation, pieces, resumption, checksums, termination."""

import base64
import hashlib
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from registry.models import Upload
from registry.services.uploads import upload_path
from tests.factories.accounts import make_organisation, make_token, make_user

pytestmark = pytest.mark.django_db
OCTETS = "application/offset+octet-stream"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def headers(ada: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(ada, ['write'])[1]}", "Tus-Resumable": "1.0.0"}


def _metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def _create(client: Client, headers: dict[str, str], length: int = 10, **metadata: str) -> Any:
    sent = headers | {"Upload-Length": str(length), "Upload-Metadata": _metadata(**metadata)}
    return client.post(reverse("api_uploads"), headers=sent)


def _patch(client: Client, headers: dict[str, str], address: str, content: bytes, offset: int, **more: str) -> Any:
    sent = headers | {"Upload-Offset": str(offset), **more}
    return client.patch(address, content, content_type=OCTETS, headers=sent)


def test_options_say_what_is_spoken(client: Client) -> None:
    response = client.options(reverse("api_uploads"))
    assert response.status_code == 204
    assert response["Tus-Version"] == "1.0.0"
    assert set(response["Tus-Extension"].split(",")) == {"creation", "checksum", "expiration", "termination"}
    assert response["Tus-Checksum-Algorithm"] == "sha1,sha256"


def test_file_goes_up_in_pieces_and_resumes_at_the_offset(client: Client, ada: User, headers: dict[str, str]) -> None:
    created = _create(client, headers, filename="a b.safetensors")
    assert created.status_code == 201
    address = created["Location"]
    assert created["Upload-Expires"].endswith("GMT")
    assert _patch(client, headers, address, b"01234", 0)["Upload-Offset"] == "5"
    asked = client.head(address, headers=headers)
    assert (asked["Upload-Offset"], asked["Upload-Length"]) == ("5", "10")
    assert asked["Cache-Control"] == "no-store"
    last = _patch(client, headers, address, b"56789", 5)
    assert (last.status_code, last["Upload-Offset"]) == (204, "10")
    upload = Upload.objects.get()
    assert (upload.filename, upload.created_by, upload.is_complete) == ("a b.safetensors", ada, True)
    assert upload_path(upload.pk).read_bytes() == b"0123456789"


def test_wrong_offset_is_a_conflict(client: Client, headers: dict[str, str]) -> None:
    address = _create(client, headers)["Location"]
    response = _patch(client, headers, address, b"01234", 3)
    assert response.status_code == 409
    assert response.json()["offset"] == 0


def test_damaged_piece_is_told_so_and_not_kept(client: Client, headers: dict[str, str]) -> None:
    address = _create(client, headers)["Location"]
    digest = base64.b64encode(hashlib.sha1(b"01234").digest()).decode()
    response = _patch(client, headers, address, b"01X34", 0, **{"Upload-Checksum": f"sha1 {digest}"})
    assert response.status_code == 460
    assert client.head(address, headers=headers)["Upload-Offset"] == "0"
    assert _patch(client, headers, address, b"01234", 0, **{"Upload-Checksum": f"sha1 {digest}"}).status_code == 204


def test_deleted_upload_is_gone(client: Client, headers: dict[str, str]) -> None:
    address = _create(client, headers)["Location"]
    assert client.delete(address, headers=headers).status_code == 204
    assert client.head(address, headers=headers).status_code == 404
    assert not upload_path(address.rsplit("/", 1)[1]).exists()


@pytest.mark.parametrize("length", ["", "-1", "x", "1.5", "²", "9" * 30, "1e3"])
def test_length_must_be_a_whole_number(client: Client, headers: dict[str, str], length: str) -> None:
    response = client.post(reverse("api_uploads"), headers=headers | {"Upload-Length": length})
    assert response.status_code == 400
    assert response.json()["code"] == "upload-refused"


@pytest.mark.parametrize("metadata", ["filename !", "filename YQ=", "filename /w==", "owner AA=="])
def test_metadata_that_cannot_be_read_is_refused(client: Client, headers: dict[str, str], metadata: str) -> None:
    sent = headers | {"Upload-Length": "5", "Upload-Metadata": metadata}
    response = client.post(reverse("api_uploads"), headers=sent)
    assert response.status_code in {400, 404}
    assert response["Content-Type"] == "application/problem+json"
    assert not Upload.objects.exists()


def test_room_is_reserved_under_the_owner_that_is_named(client: Client, ada: User, headers: dict[str, str]) -> None:
    studio = make_organisation(ada, "studio").namespace
    _create(client, headers, owner="Studio")
    assert Upload.objects.get().namespace == studio


@pytest.mark.parametrize(("owner", "status"), [("bob", 403), ("nobody", 404)])
def test_nothing_goes_up_under_the_name_of_others(
    client: Client, headers: dict[str, str], owner: str, status: int
) -> None:
    make_user("bob")
    assert _create(client, headers, owner=owner).status_code == status


def test_too_large_a_file_is_refused_before_it_is_sent(client: Client, headers: dict[str, str], settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 9
    response = _create(client, headers)
    assert response.status_code == 413
    assert response.json()["code"] == "quota-exceeded"


def test_token_needs_the_scope_to_write(client: Client, ada: User) -> None:
    reading = {"Authorization": f"Bearer {make_token(ada, ['read', 'download'])[1]}", "Tus-Resumable": "1.0.0"}
    assert _create(client, reading).status_code == 403
    assert _create(client, {"Tus-Resumable": "1.0.0"}).status_code == 401
