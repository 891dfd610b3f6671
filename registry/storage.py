"""Where bytes lie: the default storage, with large files moved instead of copied where that is possible."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from registry.errors import UploadRefused

NO_SPACE = "The server has no room left on its disk, so the file could not be stored."


def adopt_file(*, path: Path, key: str) -> None:
    """Put the file at `path` under `key` and remove it from where it was."""
    if default_storage.exists(key):
        path.unlink(missing_ok=True)
    elif isinstance(default_storage, FileSystemStorage) or _is_local():
        target = Path(default_storage.path(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        target.chmod(0o640)
    else:
        with path.open("rb") as file:
            default_storage.save(key, File(file))
        path.unlink()


def _is_local() -> bool:
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
    if _is_local():
        yield Path(default_storage.path(key))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / os.path.basename(key)
        with default_storage.open(key, "rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        yield path


def refuse_when_full(error: OSError) -> UploadRefused:
    """The refusal for a full disk, quota or file size limit; any other OSError is raised again as it is."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        raise error
    return UploadRefused(NO_SPACE, remedy="Tell the administrator; nothing that you sent so far is lost.")
