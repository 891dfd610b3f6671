"""Objects of the LFS and Xet protocols on their way into one repository: planned, received, checked by their SHA-256.

Nothing is ever shared between repositories: an object is there already only where this very repository has it.
"""

import base64
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from registry.errors import ChecksumMismatch, ObjectRefused, UploadConflict
from registry.models.transfers import ObjectTransfer
from registry.services.depots import Depot, DepotKind
from registry.services.uploads import PIECE, Readable, upload_append, upload_create, upload_delete, upload_path
from registry.storage import refuse_when_full

PART = 32 * 1024 * 1024  # bytes of a part; what is larger than two of them comes in parts


def object_present(*, actor: User, depot: Depot, sha256: str, size: int | None = None) -> bool:
    """Whether this repository has these bytes, or the actor has sent them to it and nothing is missing."""
    if (stored := depot.stored(sha256, size)) is not None:
        return stored
    sent = transfer_sent(actor=actor, depot=depot, sha256=sha256)
    return sent is not None and (size is None or sent.upload.length == size)


def transfer_sent(*, actor: User, depot: Depot, sha256: str) -> Any | None:
    """The actor's own finished transfer of these bytes into this repository."""
    finished = _own(actor, depot, sha256).filter(verified_at__isnull=False).order_by("-pk")
    return next((found for found in finished if upload_path(found.upload_id).exists()), None)


def _own(actor: User, depot: Depot, sha256: str) -> Any:
    return depot.transfers.filter(
        sha256=sha256,
        upload__created_by=actor,
        upload__consumed_at=None,
        upload__expires_at__gt=timezone.now(),
    )


@transaction.atomic
def transfer_open(*, actor: User, depot: Depot, sha256: str, size: int, in_parts: bool = False) -> Any:
    """Room for an object; one that was begun before is gone on with. Raises UploadRefused or QuotaExceeded."""
    part_size = PART if in_parts and size > 2 * PART else 0
    begun = _own(actor, depot, sha256).filter(verified_at=None, upload__length=size, part_size=part_size).first()
    if begun is not None and upload_path(begun.upload_id).exists():
        return begun
    upload = upload_create(actor=actor, namespace=depot.namespace, filename=f"{sha256}.object", length=size)
    return depot.transfer_create(upload=upload, sha256=sha256, part_size=part_size)


def transfer_open_by(*, kind: DepotKind, pk: int) -> Any:
    """The transfer that a signed address names, while bytes may still come; raises NotFound."""
    found = kind.live_transfers().filter(pk=pk, upload__consumed_at=None, upload__expires_at__gt=timezone.now())
    if (transfer := found.first()) is None or not upload_path(transfer.upload_id).exists():
        raise NotFound("There is no such transfer, or it has run out.", remedy="Start the upload again.")
    return transfer


def part_sizes(transfer: ObjectTransfer) -> list[int]:
    """The bytes of each part in order."""
    whole, rest = divmod(transfer.upload.length, transfer.part_size)
    return [transfer.part_size] * whole + ([rest] if rest else [])


def transfer_receive(*, transfer: ObjectTransfer, stream: Readable, length: int | None) -> ObjectTransfer:
    """The whole object in one piece, all of it or nothing; raises ChecksumMismatch, UploadRefused or UploadConflict."""
    if transfer.verified_at is not None:
        return transfer
    if length is not None and length != transfer.upload.length:
        raise ObjectRefused(f"{length:,} bytes were sent where {transfer.upload.length:,} were announced.")
    checksum = base64.b64encode(bytes.fromhex(transfer.sha256)).decode()
    upload_append(upload=transfer.upload, offset=0, stream=stream, length=length, checksum=f"sha256 {checksum}")
    return _verified(transfer)


def _verified(transfer: ObjectTransfer) -> ObjectTransfer:
    transfer.verified_at = timezone.now()
    transfer.save(update_fields=["verified_at"])
    return transfer


def transfer_receive_part(*, transfer: ObjectTransfer, number: int, stream: Readable, length: int | None) -> str:
    """Part `number` (from 1), written where it belongs; answers its ETag.

    Raises ObjectRefused for a part that is none, ChecksumMismatch for another length than the part has.
    """
    sizes = part_sizes(transfer) if transfer.part_size else []
    if not 1 <= number <= len(sizes) or length not in {None, sizes[number - 1]}:
        raise ObjectRefused(f"Part {number} of {len(sizes)} with {length} bytes is not one that was asked for.")
    with _file(transfer, fcntl.LOCK_SH) as file:
        transfer.refresh_from_db(fields=["verified_at"])
        if transfer.verified_at is not None:
            raise UploadConflict("All parts have been put together already.", offset=transfer.upload.length)
        try:
            etag = _write(file, (number - 1) * transfer.part_size, sizes[number - 1], stream)
        except OSError as error:
            raise refuse_when_full(error) from error
    transfer.parts.update_or_create(number=number, defaults={"etag": etag})
    return etag


def _write(file: IO[bytes], place: int, size: int, stream: Readable) -> str:
    digest, left = hashlib.sha256(), size
    while left and (piece := stream.read(min(PIECE, left))):
        rest = memoryview(piece)
        while rest:
            written = os.pwrite(file.fileno(), rest, place)
            place, rest = place + written, rest[written:]
        digest.update(piece)
        left -= len(piece)
    if left:
        raise ChecksumMismatch(f"The part breaks off: {left:,} bytes are missing.")
    os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def _file(transfer: ObjectTransfer, lock: int) -> Iterator[IO[bytes]]:
    """The transfer's file: parts are written side by side, and put together when none is being written."""
    with upload_path(transfer.upload.pk).open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, lock | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadConflict("Another connection is writing to this object.", offset=0) from error
        yield file


def transfer_complete(*, transfer: ObjectTransfer, parts: Sequence[tuple[int, str]]) -> ObjectTransfer:
    """All parts are there: the whole has to have the SHA-256 that was announced.

    Raises ObjectRefused where a part is missing or another one, ChecksumMismatch for other bytes, which are forgotten.
    """
    if transfer.verified_at is not None:
        return transfer
    there = dict(transfer.parts.values_list("number", "etag"))
    expected = range(1, len(part_sizes(transfer)) + 1) if transfer.part_size else []
    missing = [number for number in expected if number not in there]
    if missing or not there or {number: etag.strip('"') for number, etag in parts} != there:
        raise ObjectRefused(f"{len(missing)} parts of the object are missing, or others were named than arrived.")
    with _file(transfer, fcntl.LOCK_EX) as file:
        if _digest(file, transfer.upload.length) != transfer.sha256:
            transfer.parts.all().delete()
            raise ChecksumMismatch("The parts together do not have the SHA-256 that was announced.")
        transfer.upload.offset = transfer.upload.length
        transfer.upload.save(update_fields=["offset"])
        return _verified(transfer)


def _digest(file: IO[bytes], length: int) -> str:
    digest = hashlib.sha256()
    file.seek(0, os.SEEK_END)
    if file.tell() != length:
        return ""
    file.seek(0)
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def transfer_assemble(
    *, actor: User, depot: Depot, sha256: str, size: int, pieces: Iterable[bytes]
) -> ObjectTransfer | None:
    """An object from pieces that are made one after the other; None where the repository has it already.

    Raises ChecksumMismatch, and keeps nothing, where they are not what was announced; UploadRefused, QuotaExceeded.
    """
    if object_present(actor=actor, depot=depot, sha256=sha256, size=size):
        return None
    transfer = transfer_open(actor=actor, depot=depot, sha256=sha256, size=size)
    try:
        transfer_receive(transfer=transfer, stream=_Joined(pieces), length=size)
    except Exception:
        upload_delete(upload=transfer.upload)
        raise
    return transfer


class _Joined:
    """Pieces of any length, read as a stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int, /) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def parts_folder() -> Path:
    """Where what belongs to no upload yet is written."""
    folder = Path(settings.UPLOAD_DIR) / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
