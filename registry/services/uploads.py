"""Uploads: created against a quota, appended to piece by piece, expired when abandoned."""

import base64
import binascii
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import Namespace, User
from registry.errors import ChecksumMismatch, QuotaExceeded, UploadConflict, UploadRefused
from registry.models import Blob, Upload
from registry.selectors.access import namespaces_for_upload
from registry.states import VersionState
from registry.storage import refuse_when_full

PIECE = 1024 * 1024  # bytes read at a time: what one upload costs in memory
SAVE_EVERY = 8 * PIECE  # bytes after which the offset is written down, so that a killed server loses little
LEFTOVER_AGE = 60 * 60  # seconds since the last byte; a file is there shortly before its row can be seen
AWAITED = (VersionState.DRAFT, VersionState.SCANNING)  # the inspection has yet to read the file
CHECKSUMS = ("sha1", "sha256")


class Readable(Protocol):
    """Where bytes come from, piece by piece."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer than `size` at the end only."""
        ...


def upload_path(upload_id: uuid.UUID) -> Path:
    return Path(settings.UPLOAD_DIR) / str(upload_id)


# What the apps above store under a name, asked for by the name of who stores it.
_stored: dict[str, Callable[[Namespace], int]] = {}


def stored_also(name: str, question: Callable[[Namespace], int]) -> None:
    """Count these bytes against the quota too."""
    _stored[name] = question


def quota_left(*, namespace: Namespace) -> int:
    """Bytes that may still be stored or be on their way under `namespace`."""
    limit = settings.QUOTA_USER_BYTES if namespace.user_id else settings.QUOTA_ORGANISATION_BYTES
    stored = Blob.objects.filter(adapter__owner=namespace).aggregate(total=Sum("size"))["total"] or 0
    waiting = Q(consumed_at=None, expires_at__gt=timezone.now()) | Q(versions__state__in=AWAITED)
    # What a commit brought is stored already, and counted with the blobs.
    arriving = (
        Upload.objects.filter(waiting, namespace=namespace, arrival=None).aggregate(total=Sum("length"))["total"] or 0
    )
    elsewhere = sum(question(namespace) for question in _stored.values())
    return int(limit - stored - arriving - elsewhere)


def room_left(*, actor: User) -> list[tuple[Namespace, int]]:
    """Every name that `actor` may upload under, with the bytes that its quota has left."""
    names = namespaces_for_upload(actor).order_by("slug")
    return [(namespace, max(0, quota_left(namespace=namespace))) for namespace in names]


@transaction.atomic
def upload_create(*, actor: User, namespace: Namespace, filename: str, length: int) -> Upload:
    """Reserve room for `length` bytes; refuses what is too large for the registry or the quota."""
    Namespace.objects.select_for_update(no_key=True).get(
        pk=namespace.pk
    )  # two uploads cannot share the last of a quota
    if length <= 0:
        raise UploadRefused("The file is empty.", remedy="Choose a file that has content.")
    if length > settings.UPLOAD_MAX_BYTES:
        raise UploadRefused(
            f"The file has {length:,} bytes; this registry takes up to {settings.UPLOAD_MAX_BYTES:,}.",
            remedy="Reduce the adapter's rank or its precision (fp16), or split it.",
        )
    if length > (left := quota_left(namespace=namespace)):
        raise QuotaExceeded(f"The file has {length:,} bytes and {max(left, 0):,} are left for {namespace}.")
    upload = Upload.objects.create(
        created_by=actor,
        namespace=namespace,
        filename=clean_filename(filename),
        length=length,
        expires_at=timezone.now() + settings.UPLOAD_LIFETIME,
    )
    path = upload_path(upload.pk)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o640)
    return upload


def clean_filename(name: str) -> str:
    """The last part of a path, without characters that control a terminal, a header or a database."""
    last = os.path.basename(name.replace("\\", "/"))
    return "".join(character for character in last if character.isprintable())[:255].strip() or "file"


def upload_charge(*, upload: Upload, namespace: Namespace) -> None:
    """Count the upload under the name that it is submitted to, where room was reserved under another.

    Raises QuotaExceeded; runs inside the caller's transaction.
    """
    if upload.namespace_id == namespace.pk:
        return
    Namespace.objects.select_for_update(no_key=True).get(pk=namespace.pk)
    if upload.length > (left := quota_left(namespace=namespace)):
        raise QuotaExceeded(f"The file has {upload.length:,} bytes and {max(left, 0):,} are left for {namespace}.")
    upload.namespace = namespace
    upload.save(update_fields=["namespace"])


def access_upload(*, actor: User, pk: uuid.UUID) -> Upload:
    """The actor's own upload, while it may still be used; anything else is absent."""
    own = Upload.objects.filter(pk=pk, created_by=actor, consumed_at=None, transfer=None)
    upload = own.filter(expires_at__gt=timezone.now()).first()
    if upload is None or not upload_path(pk).exists():
        raise NotFound("There is no such upload, or it has run out.", remedy="Start the upload again.")
    return upload


def upload_append(*, upload: Upload, offset: int, stream: Readable, length: int | None, checksum: str = "") -> Upload:
    """Append what `stream` holds at `offset`; with a checksum ("sha1 <base64>") all of it or nothing.

    Raises UploadConflict for another offset or a second writer, ChecksumMismatch for damaged bytes.
    """
    expected = _parse_checksum(checksum)
    with _exclusive(upload) as file:
        upload.refresh_from_db()
        if offset != upload.offset:
            raise UploadConflict(f"The upload stands at {upload.offset}, not at {offset}.", offset=upload.offset)
        file.truncate(upload.offset)  # what a killed server wrote without writing it down
        file.seek(upload.offset)
        try:
            _copy(upload, file, stream, length, expected)
        except OSError as error:
            raise refuse_when_full(error) from error
    return upload


def _copy(
    upload: Upload,
    file: IO[bytes],
    stream: Readable,
    length: int | None,
    expected: tuple[str, bytes] | None,
) -> None:
    digest = hashlib.new(expected[0], usedforsecurity=False) if expected else None
    position = saved = upload.offset
    left = upload.length - position if length is None else min(length, upload.length - position)
    if length is not None and length > upload.length - position:
        raise UploadRefused(f"{length:,} bytes were sent where {upload.length - position:,} are missing.")
    while left and (piece := stream.read(min(PIECE, left))):
        _write_all(file, piece)
        left -= len(piece)
        position += len(piece)
        if digest:
            digest.update(piece)
        elif position - saved >= SAVE_EVERY:
            _save_offset(upload, file, position)
            saved = position
    if digest and expected and digest.digest() != expected[1]:
        file.truncate(upload.offset)
        raise ChecksumMismatch(f"The {expected[0]} of the piece is not the one that was announced.")
    _save_offset(upload, file, position)


def _write_all(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _save_offset(upload: Upload, file: IO[bytes], position: int) -> None:
    os.fsync(file.fileno())
    upload.offset = position
    upload.expires_at = timezone.now() + settings.UPLOAD_LIFETIME
    upload.save(update_fields=["offset", "expires_at"])


@contextmanager
def _exclusive(upload: Upload) -> Iterator[IO[bytes]]:
    """The upload's file, for one writer at a time; unbuffered, for a full disk would fail again on closing."""
    with upload_path(upload.pk).open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadConflict("Another connection is writing to this upload.", offset=upload.offset) from error
        yield file


def _parse_checksum(header: str) -> tuple[str, bytes] | None:
    if not header:
        return None
    algorithm, _, encoded = header.partition(" ")
    if algorithm not in CHECKSUMS:
        raise UploadRefused(
            f"The checksum algorithm {algorithm!r} is not known.", remedy=f"Use one of: {', '.join(CHECKSUMS)}."
        )
    try:
        return algorithm, base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise UploadRefused("The checksum is not base64.", remedy="Send `<algorithm> <base64>`.") from error


def upload_from_stream(*, actor: User, namespace: Namespace, filename: str, stream: IO[bytes], length: int) -> Upload:
    """A whole file in one go, as a plain form sends it."""
    upload = upload_create(actor=actor, namespace=namespace, filename=filename, length=length)
    return upload_append(upload=upload, offset=0, stream=stream, length=length)


def upload_delete(*, upload: Upload) -> None:
    """Forget an upload and its bytes."""
    upload_path(upload.pk).unlink(missing_ok=True)
    upload.delete()


def uploads_expire() -> int:
    """Remove abandoned uploads, and files that a killed process left behind; answers how many were abandoned."""
    abandoned = list(Upload.objects.filter(consumed_at=None, expires_at__lte=timezone.now()))
    for upload in abandoned:
        upload_delete(upload=upload)
    _remove_leftovers()
    return len(abandoned)


def _remove_leftovers() -> None:
    settled = time.time() - LEFTOVER_AGE
    old = {path.name: path for path in Path(settings.UPLOAD_DIR).glob("*-*") if path.stat().st_mtime < settled}
    needed = Upload.objects.filter(Q(consumed_at=None) | Q(versions__state__in=AWAITED), pk__in=old)
    for name in old.keys() - {str(pk) for pk in needed.values_list("pk", flat=True)}:
        old[name].unlink(missing_ok=True)
