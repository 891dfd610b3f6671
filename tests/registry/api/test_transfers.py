"""Uploads on the wire: slow and many ones leave room for everybody else, and lose nothing by it."""

import socket
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry.api.transfers import PatientStream, transfer_slot
from registry.errors import TooManyTransfers, UploadStalled
from registry.models import Upload
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_upload

Settings = Any


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_stream_that_stops_moving_is_cut_and_keeps_what_came(settings: Settings, pair: Any) -> None:
    settings.UPLOAD_PATIENCE, settings.UPLOAD_SLOWEST = 0.1, 1_000_000
    ours, theirs = pair
    theirs.sendall(b"abc")  # and then nothing more, without closing
    stream = PatientStream(ours.makefile("rb"), ours)
    assert stream.read(1000) == b"abc"
    with pytest.raises(UploadStalled):
        stream.check()


def test_stream_in_time_is_left_alone(settings: Settings, pair: Any) -> None:
    settings.UPLOAD_PATIENCE, settings.UPLOAD_SLOWEST = 60, 1
    ours, theirs = pair
    theirs.sendall(b"abcdef")
    stream = PatientStream(ours.makefile("rb"), ours)
    assert (stream.read(3), stream.read(3)) == (b"abc", b"def")
    stream.check()


def test_slots_are_counted_per_user_and_in_all(settings: Settings) -> None:
    settings.UPLOADS_AT_ONCE, settings.UPLOADS_AT_ONCE_PER_USER = 3, 2
    with transfer_slot(1), transfer_slot(1):
        with pytest.raises(TooManyTransfers), transfer_slot(1):
            pass
        with transfer_slot(2), pytest.raises(TooManyTransfers), transfer_slot(3):
            pass
        with transfer_slot(3):
            pass
    with transfer_slot(1), transfer_slot(1):
        pass


def test_slot_is_given_back_after_an_error(settings: Settings) -> None:
    settings.UPLOADS_AT_ONCE = settings.UPLOADS_AT_ONCE_PER_USER = 1
    for _ in range(2):
        with pytest.raises(KeyError), transfer_slot(1):
            raise KeyError


@pytest.mark.django_db
def test_one_too_many_is_told_to_wait(client: Client, settings: Settings) -> None:
    settings.UPLOADS_AT_ONCE_PER_USER = 0
    ada = make_user("ada")
    _, secret = make_token(ada)
    headers = {"Authorization": f"Bearer {secret}", "Tus-Resumable": "1.0.0"}
    created = client.post(reverse("api_uploads"), headers={**headers, "Upload-Length": "3"})
    answer = client.patch(
        created["Location"],
        b"abc",
        content_type="application/offset+octet-stream",
        headers={**headers, "Upload-Offset": "0"},
    )
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["code"] == "too-many-transfers"
    assert Upload.objects.get().offset == 0


@pytest.mark.django_db
@pytest.mark.parametrize("version", [None, "0.2.2"])
def test_other_versions_of_tus_are_told_which_one(client: Client, version: str | None) -> None:
    _, secret = make_token(make_user("ada"))
    headers = {"Authorization": f"Bearer {secret}", "Upload-Length": "3"}
    if version:
        headers["Tus-Resumable"] = version
    answer = client.post(reverse("api_uploads"), headers=headers)
    assert answer.status_code == 412
    assert answer["Tus-Version"] == "1.0.0"


@pytest.mark.django_db
def test_piece_of_another_type_is_unsupported(client: Client) -> None:
    ada = make_user("ada")
    _, secret = make_token(ada)
    upload = make_upload(actor=ada)
    headers = {"Authorization": f"Bearer {secret}", "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    answer = client.patch(reverse("api_upload", args=[upload.pk]), b"x", content_type="text/plain", headers=headers)
    assert answer.status_code == 415


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\0b.safetensors", "ab.safetensors"),
        ("x\r\nSet-Cookie: a=b.safetensors", "xSet-Cookie: a=b.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\style.safetensors", "style.safetensors"),
        ("\x1b[31m", "[31m"),
        ("", "file"),
        ("größe 日本.safetensors", "größe 日本.safetensors"),
    ],
)
def test_filename_keeps_nothing_that_controls(sent: str, kept: str) -> None:
    assert make_upload(actor=make_user("ada"), filename=sent).filename == kept
