"""Uploads: pieces at their offset, checksums, expiry, quotas, and what a killed server leaves behind."""

import base64
import fcntl
import hashlib
import io
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import Namespace, User
from registry.errors import ChecksumMismatch, UploadConflict, UploadRefused
from registry.models import Upload
from registry.services.uploads import (
    LEFTOVER_AGE,
    access_upload,
    clean_filename,
    upload_append,
    upload_create,
    upload_path,
    uploads_expire,
)
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _begun(actor: User, length: int = 10) -> Upload:
    namespace = Namespace.objects.get(user=actor)
    return upload_create(actor=actor, namespace=namespace, filename="a.safetensors", length=length)


def _append(upload: Upload, content: bytes, offset: int = 0, **more: Any) -> Upload:
    length = more.pop("length", len(content))
    return upload_append(upload=upload, offset=offset, stream=io.BytesIO(content), length=length, **more)


def _checksum(content: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_pieces_in_order_make_the_file(ada: User) -> None:
    upload = _begun(ada)
    for offset, piece in ((0, b"0123"), (4, b"45678"), (9, b"9")):
        upload = _append(upload, piece, offset)
    assert upload.is_complete
    assert upload_path(upload.pk).read_bytes() == b"0123456789"


def test_piece_without_a_length_is_read_to_its_end(ada: User) -> None:
    upload = _append(_begun(ada), b"01234", length=None)
    assert upload.offset == 5


@pytest.mark.parametrize("offset", [0, 3, 5, 10])
def test_piece_at_another_offset_is_a_conflict_that_names_the_right_one(ada: User, offset: int) -> None:
    upload = _append(_begun(ada), b"0123")
    with pytest.raises(UploadConflict) as refused:
        _append(upload, b"xx", offset)
    assert refused.value.data == {"offset": 4}
    assert upload_path(upload.pk).read_bytes() == b"0123"


def test_offset_is_that_of_the_row_and_not_of_the_caller(ada: User) -> None:
    upload = _begun(ada)
    stale = Upload.objects.get(pk=upload.pk)
    _append(upload, b"0123")
    with pytest.raises(UploadConflict):
        _append(stale, b"abcd", 0)


def test_second_writer_is_a_conflict(ada: User) -> None:
    upload = _begun(ada)
    with upload_path(upload.pk).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UploadConflict, match="Another connection"):
            _append(upload, b"0123")
    assert _append(upload, b"0123").offset == 4


def test_more_bytes_than_were_announced_are_refused_whole(ada: User) -> None:
    upload = _append(_begun(ada), b"0123")
    with pytest.raises(UploadRefused, match="6 are missing"):
        _append(upload, b"4567890", 4)
    assert upload_path(upload.pk).read_bytes() == b"0123"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_piece_with_the_right_checksum_is_kept(ada: User, algorithm: str) -> None:
    upload = _append(_begun(ada), b"0123", checksum=_checksum(b"0123", algorithm))
    assert upload.offset == 4


def test_damaged_piece_leaves_nothing_behind(ada: User) -> None:
    upload = _append(_begun(ada), b"0123")
    with pytest.raises(ChecksumMismatch):
        _append(upload, b"45X7", 4, checksum=_checksum(b"4567"))
    upload.refresh_from_db()
    assert upload.offset == 4
    assert upload_path(upload.pk).read_bytes() == b"0123"
    assert _append(upload, b"4567", 4, checksum=_checksum(b"4567")).offset == 8


@pytest.mark.parametrize("header", ["md5 AAAA", "sha1 not base64!", "sha1", "SHA1 AAAA"])
def test_unusable_checksum_is_refused(ada: User, header: str) -> None:
    with pytest.raises((UploadRefused, ChecksumMismatch)):
        _append(_begun(ada), b"0123", checksum=header)


def test_bytes_that_a_killed_server_did_not_write_down_are_cut_off(ada: User) -> None:
    upload = _append(_begun(ada), b"0123")
    with upload_path(upload.pk).open("ab") as file:
        file.write(b"lost bytes of a dead process")
    upload = _append(upload, b"456", 4)
    assert upload_path(upload.pk).read_bytes() == b"0123456"


class _Broken(io.RawIOBase):
    """A connection that breaks after its first bytes."""

    def __init__(self) -> None:
        self.pieces = [b"01234"]

    def read(self, size: int = -1, /) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop()


def test_broken_connection_goes_on_where_the_row_stands(ada: User) -> None:
    upload = _begun(ada)
    with pytest.raises(OSError):
        upload_append(upload=upload, offset=0, stream=_Broken(), length=10)
    upload.refresh_from_db()
    rest = b"0123456789"[upload.offset :]
    assert _append(upload, rest, upload.offset).is_complete
    assert upload_path(upload.pk).read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.safetensors", "a.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("C:\\loras\\a.safetensors", "a.safetensors"),
        ("a\r\nSet-Cookie: x\0", "aSet-Cookie: x"),
        ("", "file"),
        ("/", "file"),
        ("é" * 300, "é" * 255),
    ],
)
def test_filename_is_the_last_part_without_control_characters(given: str, kept: str) -> None:
    assert clean_filename(given) == kept


@pytest.mark.parametrize("length", [0, -1])
def test_empty_file_is_refused(ada: User, length: int) -> None:
    with pytest.raises(UploadRefused, match="empty"):
        _begun(ada, length)


def test_file_beyond_the_limit_is_refused(ada: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 100
    _begun(ada, 100)
    with pytest.raises(UploadRefused, match="takes up to 100"):
        _begun(ada, 101)


def test_upload_is_its_creators_alone_and_ends_with_use_expiry_or_loss(ada: User) -> None:
    upload = _begun(ada)
    assert access_upload(actor=ada, pk=upload.pk) == upload
    with pytest.raises(NotFound):
        access_upload(actor=make_user("bob"), pk=upload.pk)
    for change in ({"consumed_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}):
        other = _begun(ada)
        Upload.objects.filter(pk=other.pk).update(**change)
        with pytest.raises(NotFound):
            access_upload(actor=ada, pk=other.pk)
    upload_path(upload.pk).unlink()
    with pytest.raises(NotFound):
        access_upload(actor=ada, pk=upload.pk)


def test_each_piece_puts_off_the_end(ada: User) -> None:
    upload = _begun(ada)
    Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now() + timedelta(minutes=1))
    assert _append(upload, b"0").expires_at > timezone.now() + timedelta(hours=1)


def test_abandoned_uploads_are_removed_with_their_bytes_and_others_stay(ada: User) -> None:
    abandoned, living = _begun(ada), _begun(ada)
    waiting = make_submitted(actor=ada)
    Upload.objects.exclude(pk=living.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert uploads_expire() == 1
    assert not Upload.objects.filter(pk=abandoned.pk).exists()
    assert not upload_path(abandoned.pk).exists()
    assert upload_path(living.pk).exists()
    assert upload_path(waiting.upload_id).exists()  # type: ignore[arg-type]


def _aged(path: Path) -> Path:
    old = time.time() - LEFTOVER_AGE - 60
    os.utime(path, (old, old))
    return path


def test_files_that_nothing_needs_any_more_are_removed_once_they_are_old(ada: User) -> None:
    waiting = _aged(upload_path(make_submitted(actor=ada).upload_id))  # type: ignore[arg-type]
    begun = _aged(upload_path(_begun(ada).pk))
    orphan = _aged(_without_row(_begun(ada)))
    fresh_orphan = _without_row(_begun(ada))
    uploads_expire()
    assert waiting.exists()
    assert begun.exists()
    assert fresh_orphan.exists()
    assert not orphan.exists()


def _without_row(upload: Upload) -> Path:
    path = upload_path(upload.pk)
    Upload.objects.filter(pk=upload.pk).delete()
    return path
