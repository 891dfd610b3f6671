"""Searching the register's works: an index file where there is one, and always what is not in it yet.

The tables are the truth. The index holds every row up to an id, read when no writer was at work (`works_upto`); rows
above it are asked for at every search, so that a work is found as soon as its transaction has committed. A file that is
missing, damaged or of another database is passed over, and the index is built in memory from the tables.
"""

import fcntl
import json
import logging
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from numpy.typing import NDArray

from moderation.matching.pictures import DEFAULT, Candidate, Description, HashIndex, PictureIndex, Query
from moderation.models import OptOutIndexBuild, WorkFeatures, WorkHash

logger = logging.getLogger(__name__)
WORKS_LOCK = 0x776F726B  # "work": shared by whoever writes hashes or features, by a trigger; whole for the builder
LISTED = {"phash": 8, "pdq": 32}  # bytes of the hashes that are searched by distance
MANIFEST = "manifest.json"
CHUNK = 50_000  # rows in memory while the tables are read
CANDIDATES = 100  # works that are verified for one picture
Hashes = NDArray[np.uint8]
Owners = NDArray[np.int64]


@dataclass
class WorksIndex:
    """Everything that is registered up to some rows; owners are ids of entries."""

    works: PictureIndex
    listed: dict[str, HashIndex]
    hashes_upto: int
    features_upto: int
    build: uuid.UUID | None = None  # of the file that it comes from, or stands for
    database: tuple[object, ...] = ()
    later_hashes: set[int] = field(default_factory=set)  # rows above `hashes_upto` that are taken in already
    later_features: set[int] = field(default_factory=set)

    def catch_up(self) -> int:
        """Take in what has been committed since; how many rows are above the index now."""
        fresh = _ids_above(WorkFeatures, self.features_upto) - self.later_features
        for row in WorkFeatures.objects.filter(pk__in=fresh).iterator(chunk_size=500):
            self.works.add(row.entry_id, Description.from_bytes(bytes(row.description)))
        self.later_features |= fresh
        fresh = _ids_above(WorkHash, self.hashes_upto) - self.later_hashes
        for algorithm in LISTED if fresh else ():
            for hashes, owners in _hashes(algorithm, above=self.hashes_upto, among=fresh):
                self.listed[algorithm].add(hashes, owners)
        self.later_hashes |= fresh
        return len(self.later_features) + len(self.later_hashes)

    def candidates(self, query: Query) -> list[Candidate]:
        """The works with features that the picture may show, the likeliest first."""
        return self.works.candidates(query, CANDIDATES)

    def listed_within(self, query: Query) -> dict[int, tuple[str, int]]:
        """Works whose bare hash lies within the strict threshold: the algorithm and the distance."""
        asked = {"phash": (query.phashes, DEFAULT.phash), "pdq": (query.pdqs, DEFAULT.pdq)}
        found: dict[int, tuple[str, int]] = {}
        for algorithm, (hashes, radius) in asked.items():
            for owner, distance in self.listed[algorithm].search(hashes, radius).nearest().items():
                found.setdefault(owner, (algorithm, distance))
        return found


def _ids_above(model: Any, highest: int) -> set[int]:
    return set(model.objects.filter(pk__gt=highest).values_list("pk", flat=True))


def _hashes(
    algorithm: str, *, above: int = 0, upto: int | None = None, among: set[int] | None = None
) -> Iterator[tuple[Hashes, Owners]]:
    """Hashes and the entries they are of, in chunks, as arrays."""
    rows = WorkHash.objects.filter(algorithm=algorithm, pk__gt=above)
    if upto is not None:
        rows = rows.filter(pk__lte=upto)
    if among is not None and len(among) <= CHUNK:
        rows = rows.filter(pk__in=among)
    pieces: list[bytes] = []
    owners: list[int] = []
    for key, bits, owner in rows.values_list("pk", "bits", "entry_id").iterator(chunk_size=CHUNK):
        if among is None or key in among:
            pieces.append(bytes(bits))
            owners.append(owner)
        if len(pieces) >= CHUNK:
            yield _arrays(pieces, owners, LISTED[algorithm])
            pieces, owners = [], []
    if pieces:
        yield _arrays(pieces, owners, LISTED[algorithm])


def _arrays(pieces: list[bytes], owners: list[int], width: int) -> tuple[Hashes, Owners]:
    return np.frombuffer(b"".join(pieces), np.uint8).reshape(-1, width), np.array(owners, np.int64)


def works_upto() -> tuple[int, int]:
    """The highest ids of hashes and features, read while nobody writes any: all rows up to them are there to be read.

    The lock is let go at once, also inside a longer transaction of the caller.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [WORKS_LOCK])
        try:
            return _highest(WorkHash), _highest(WorkFeatures)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [WORKS_LOCK])


def _highest(model: Any) -> int:
    return int(model.objects.aggregate(highest=Max("pk"))["highest"] or 0)


def index_from_tables() -> WorksIndex:
    """The index over all rows that are committed now, in memory."""
    hashes_upto, features_upto = works_upto()
    described = WorkFeatures.objects.filter(pk__lte=features_upto, entry__erased_at=None)
    rows = described.values_list("entry_id", "description").iterator(chunk_size=500)
    works = PictureIndex.build((owner, Description.from_bytes(bytes(stored))) for owner, stored in rows)
    listed = {algorithm: _listed(algorithm, hashes_upto) for algorithm in LISTED}
    return WorksIndex(works, listed, hashes_upto, features_upto)


def _listed(algorithm: str, upto: int) -> HashIndex:
    chunks = list(_hashes(algorithm, upto=upto))
    hashes = np.concatenate([np.zeros((0, LISTED[algorithm]), np.uint8), *(found for found, _ in chunks)])
    owners = np.concatenate([np.zeros(0, np.int64), *(found for _, found in chunks)])
    return HashIndex.build(hashes, owners)


def index_folder() -> Path:
    return Path(settings.DATA_DIR) / "optout-index"


def index_write(index: WorksIndex) -> uuid.UUID:
    """Write the index into a folder of its own, say in the database that it was built, and make it the current one.

    Raises BlockingIOError while another process of this machine does the same.
    """
    index_folder().mkdir(parents=True, exist_ok=True)
    with (index_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        build = uuid.uuid4()
        folder = index_folder() / str(build)
        index.works.save(folder / "works")
        for algorithm, listed in index.listed.items():
            listed.save(folder / algorithm)
        upto = {"hashes_upto": index.hashes_upto, "features_upto": index.features_upto}
        OptOutIndexBuild.objects.create(pk=build, **upto)
        _point_to(build, {"build": str(build), **upto, "files": _sums(folder)})
        _remove_others(build)
    return build


def _point_to(build: uuid.UUID, manifest: dict[str, Any]) -> None:
    partial = index_folder() / f"{build}.partial"
    partial.write_text(json.dumps(manifest))
    partial.replace(index_folder() / MANIFEST)


def _sums(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): _sum(path) for path in sorted(folder.rglob("*.npy"))}


def _sum(path: Path) -> str:
    return str(blake3(max_threads=1).update_mmap(path).hexdigest())


def _remove_others(build: uuid.UUID) -> None:
    """Folders of builds that nobody will open any more; who has one mapped keeps its pages."""
    for folder in index_folder().iterdir():
        if folder.is_dir() and folder.name != str(build):
            shutil.rmtree(folder, ignore_errors=True)
    kept = OptOutIndexBuild.objects.values_list("pk", flat=True)[:50]
    OptOutIndexBuild.objects.exclude(pk__in=list(kept)).delete()


def _manifest() -> dict[str, Any] | None:
    """What the current index file says of itself, when it is one of this database's."""
    try:
        found = json.loads((index_folder() / MANIFEST).read_text())
        key, upto = uuid.UUID(str(found["build"])), (found["hashes_upto"], found["features_upto"])
        dict(found["files"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("The opt-out index cannot be read and is built again: %s", error)
        return None
    build = OptOutIndexBuild.objects.filter(pk=key).first()
    if build is None or (build.hashes_upto, build.features_upto) != upto:
        logger.warning("The opt-out index belongs to another database, or to its past; it is built again.")
        return None
    return dict(found)


def index_from_file(manifest: dict[str, Any]) -> WorksIndex | None:
    """The index out of its files, each as it was written; None where one is not."""
    folder = index_folder() / manifest["build"]
    try:
        for name, wanted in manifest["files"].items():
            if _sum(folder / name) != wanted:
                raise ValueError(f"{name} is not as it was written")
        works = PictureIndex.load(folder / "works")
        listed = {algorithm: HashIndex.load(folder / algorithm) for algorithm in LISTED}
    except (OSError, ValueError, KeyError, EOFError) as error:
        logger.warning("The opt-out index is damaged and is built again: %s", error)
        return None
    upto = manifest["hashes_upto"], manifest["features_upto"]
    return WorksIndex(works, listed, *upto)


class _Kept:
    """The index that this process holds, with the lock under which it is changed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.index: WorksIndex | None = None


_kept = _Kept()


@contextmanager
def works_index() -> Iterator[WorksIndex]:
    """The index with everything that is committed now. One search at a time: taking in rows changes it."""
    with _kept.lock:
        index = _current(_kept.index)
        _kept.index = None  # should taking in rows break off half-way, nobody goes on with that
        index.catch_up()
        _kept.index = index
        yield index


def _current(index: WorksIndex | None) -> WorksIndex:
    """The index of this process when it is of this database and the newest; else the file, or one from the tables."""
    manifest, database = _manifest(), _database()
    build = uuid.UUID(manifest["build"]) if manifest else None
    if index is not None and index.database == database and build in {None, index.build}:
        return index
    index = (index_from_file(manifest) if manifest else None) or index_from_tables()
    index.build, index.database = build, database  # also where the file was no good: it is not tried at every search
    return index


def _database() -> tuple[object, ...]:
    """Which database this is, and since when its server runs: what was read before a restore counts no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::bigint, pg_postmaster_start_time()::text FROM pg_database WHERE datname = current_database()"
        )
        return tuple(cursor.fetchone() or ())
