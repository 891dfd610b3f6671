"""Checkpoints beyond one machine: with an object store, what a worker writes is copied there and fetched from there.

Local storage needs nothing of this: workers share the data folder. Whatever moment a worker is killed at, another
machine finds a whole checkpoint or the one before it: files lie under keys of their content's time and size, so that
none is written over; the manifest that names them comes last, into the older of two places; what only the one before
it named goes after that.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from registry.storage import is_local
from training.models import TrainingRun

MANIFESTS = ("manifest-0.json", "manifest-1.json")  # written by turns: one is always whole
PARTIAL = (".partial", ".tmp")


def run_folder(run: TrainingRun) -> Path:
    """Where the engine keeps the run on this machine."""
    return Path(settings.TRAINING_DIR) / "runs" / str(run.public_id)


def cache_folder(run: TrainingRun) -> Path:
    """Latents and text embeddings, shared by runs of one dataset on one base."""
    return Path(settings.TRAINING_DIR) / "cache" / str(run.snapshot.dataset.public_id) / run.base_model.slug


def store_prefix(run: TrainingRun) -> str:
    return f"training/{run.public_id}"


def checkpoints_push(run: TrainingRun) -> int:
    """Copy what is new in the run's folder to the object store; how many files that were. Nothing on local storage."""
    if is_local():
        return 0
    folder, prefix = run_folder(run), f"{store_prefix(run)}/state"
    before = _manifest(prefix) or Manifest(0, {})
    now = {str(path.relative_to(folder)): _stamp_of(path) for path in _files(folder)}
    fresh = [name for name, stamp in now.items() if before.files.get(name) != stamp]
    for name in fresh:
        _put(_key(prefix, name, now[name]), folder / name)
    _manifest_write(prefix, Manifest(before.number + 1, now))
    for name, stamp in before.files.items():
        if now.get(name) != stamp:
            default_storage.delete(_key(prefix, name, stamp))
    return len(fresh)


def checkpoints_fetch(run: TrainingRun) -> int:
    """Bring the run's folder to where the store is, on a machine that has not seen it; how many files were fetched.

    What lies here and is not in the manifest is from a worker that broke off before it was copied; it goes. Without a
    manifest nothing was ever copied, so that what lies here is all there is: it stays.
    """
    if is_local():
        return 0
    folder, prefix = run_folder(run), f"{store_prefix(run)}/state"
    found = _manifest(prefix)
    if found is None:
        return 0
    for path in list(_files(folder)):
        if str(path.relative_to(folder)) not in found.files:
            path.unlink()
    missing = [name for name, stamp in found.files.items() if _stamp(folder / name) != stamp]
    for name in missing:
        _get(_key(prefix, name, found.files[name]), folder / name, found.files[name])
    return len(missing)


def folder_forget(run: TrainingRun) -> None:
    """Remove what a run that has ended keeps of its state: the folder here, and the copy in the store."""
    shutil.rmtree(run_folder(run), ignore_errors=True)
    if not is_local():
        prefix = f"{store_prefix(run)}/state"
        for key in list(_keys(prefix)):
            default_storage.delete(key)


def _keys(prefix: str) -> Iterator[str]:
    """Everything under a prefix, also what a worker left that was killed before its manifest."""
    try:
        folders, files = default_storage.listdir(prefix)
    except FileNotFoundError:  # an object store answers with nothing instead
        return
    yield from (f"{prefix}/{name}" for name in files)
    for name in folders:
        yield from _keys(f"{prefix}/{name}")


@dataclass(frozen=True)
class Manifest:
    """Which files belong to the run's state, each with its stamp; the higher number is the newer."""

    number: int
    files: dict[str, list[int]]


def _manifest(prefix: str) -> Manifest | None:
    """The newest that is whole; None where none was ever written. Raises ValueError where none can be read."""
    found, damaged = [], None
    for name in MANIFESTS:
        try:
            if default_storage.exists(f"{prefix}/{name}"):
                with default_storage.open(f"{prefix}/{name}", "rb") as file:
                    found.append(Manifest(**json.loads(file.read())))
        except (ValueError, TypeError) as error:  # cut off while it was written
            damaged = error
    if damaged is not None and not found:
        raise ValueError(f"No manifest under {prefix} can be read.") from damaged
    return max(found, key=lambda one: one.number, default=None)


def _manifest_write(prefix: str, manifest: Manifest) -> None:
    """Over the older of the two: the newest that was whole stays until this one is."""
    key = f"{prefix}/{MANIFESTS[manifest.number % 2]}"
    if default_storage.exists(key):
        default_storage.delete(key)
    default_storage.save(key, ContentFile(json.dumps(asdict(manifest), sort_keys=True).encode()))


def _key(prefix: str, name: str, stamp: list[int]) -> str:
    """Where this content of a file lies."""
    size, changed = stamp
    return f"{prefix}/{name}.{changed}-{size}"


def _files(folder: Path) -> Iterator[Path]:
    """Every whole file, in an order of its own."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(PARTIAL):
            yield path


def _stamp(path: Path) -> list[int] | None:
    """Size and time of change in nanoseconds: what tells a file from the one before it."""
    return _stamp_of(path) if path.is_file() else None


def _stamp_of(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _put(key: str, path: Path) -> None:
    if default_storage.exists(key):
        default_storage.delete(key)
    with path.open("rb") as file:
        default_storage.save(key, File(file))


def _get(key: str, path: Path, stamp: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with default_storage.open(key, "rb") as source, partial.open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
    os.utime(partial, ns=(stamp[1], stamp[1]))
    partial.replace(path)
