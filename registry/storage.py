"""Where bytes lie: the default storage, with large files linked instead of copied where that is possible."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from registry.errors import StorageFull

PIECE = 256 * 1024  # bytes of a file that are in memory at a time
NO_SPACE = "The server has no room left on its disk, so the file could not be stored."


def adopt_file(*, path: Path, key: str) -> None:
    """Put the content of the file at `path` under `key`; the file stays, for the caller may yet be undone."""
    if default_storage.exists(key):
        return
    if not is_local():
        with path.open("rb") as file:
            default_storage.save(key, File(file))
        return
    target = Path(default_storage.path(key))
    target.parent.mkdir(parents=True, exist_ok=True)
    path.chmod(0o640)
    try:
        os.link(path, target)
    except FileExistsError:
        pass
    except OSError:  # another disk, or one without hard links
        partial = target.with_suffix(".partial")
        shutil.copyfile(path, partial)
        partial.chmod(0o640)
        partial.replace(target)


def is_local() -> bool:
    """Whether stored files are paths on this machine's disk, and lie in no object store."""
    try:
        default_storage.path("probe")
    except NotImplementedError:
        return False
    return True


def store_bytes(*, content: bytes, key: str) -> None:
    """Store small content under `key`, replacing what was there."""
    if default_storage.exists(key):
        default_storage.delete(key)
    default_storage.save(key, ContentFile(content))


@contextmanager
def local_copy(key: str) -> Iterator[Path]:
    """A readable path for `key`: the file itself on local disk, a temporary copy from an object store."""
    if is_local():
        yield Path(default_storage.path(key))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / os.path.basename(key)
        with default_storage.open(key, "rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        yield path


def read_range(*, key: str, first: int, length: int) -> Iterator[bytes]:
    """The `length` bytes of `key` from `first` on, piece by piece; an object store is asked for these alone.

    Whatever is wrong with the file is raised here, before the first piece is asked for.
    """
    if is_local():
        file = default_storage.open(key, "rb")
        file.seek(first)
        return _Pieces(file, length)
    bucket = default_storage.bucket  # type: ignore[attr-defined]
    found = bucket.Object(key).get(Range=f"bytes={first}-{first + length - 1}")
    return _Pieces(found["Body"], length)


class _Pieces(Iterator[bytes]):
    """The next `length` bytes of an open file; a response that is given up early closes it."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def __next__(self) -> bytes:
        piece = self._file.read(min(PIECE, self._left)) if self._left else b""
        if not piece:
            self.close()
            raise StopIteration
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


def refuse_when_full(error: OSError) -> StorageFull:
    """The refusal for a full disk, quota or file size limit; any other OSError is raised again as it is."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        raise error
    return StorageFull(NO_SPACE)
