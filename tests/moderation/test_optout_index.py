"""The index of works: a search is exact whatever the file is like, and what was committed a moment ago is found."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection, connections, transaction

from moderation.models import OptOutClaim, OptOutEntry, OptOutIndexBuild, WorkFeatures, WorkHash
from moderation.selectors import optout_index
from moderation.selectors.optout import works_found
from moderation.selectors.optout_index import MANIFEST, WORKS_LOCK, index_folder, works_index, works_upto
from moderation.services import optout_index as building
from moderation.services.optout_index import index_build, index_is_due
from moderation.services.optout_rulings import entry_erase
from tests.factories.accounts import make_user
from tests.factories.optout import csv_of, hashes, index_forget, make_import, make_picture, picture_bytes, register_as

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_index() -> Iterator[None]:
    shutil.rmtree(index_folder(), ignore_errors=True)
    index_forget()
    yield
    shutil.rmtree(index_folder(), ignore_errors=True)
    index_forget()


def _titles(seed: int) -> list[str]:
    return [hit.title for hit in works_found(picture_bytes(make_picture(seed), "JPEG", quality=50))]


def _register(*seeds: int) -> None:
    pictures = {f"Work {seed}": picture_bytes(make_picture(seed)) for seed in seeds}
    register_as(make_user(f"u{'-'.join(map(str, seeds))}"), pictures=pictures)


def _manifest() -> dict[str, Any]:
    return dict(json.loads((index_folder() / MANIFEST).read_text()))


def _from_tables(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often the index is built out of the tables."""
    built: list[int] = []
    real = optout_index.index_from_tables

    def counted() -> optout_index.WorksIndex:
        built.append(1)
        return real()

    monkeypatch.setattr(optout_index, "index_from_tables", counted)
    return built


def test_file_and_what_came_after_it_are_searched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(1, 2)
    assert index_build()
    _register(3)
    built = _from_tables(monkeypatch)
    assert [_titles(seed) for seed in (1, 2, 3, 4)] == [["Work 1"], ["Work 2"], ["Work 3"], []]
    _register(4)
    assert _titles(4) == ["Work 4"]
    assert not built
    assert index_build()
    with works_index() as index:  # the new file takes the place of the old one, and nothing is above it
        assert (index.later_features, index.later_hashes) == (set(), set())
    assert [_titles(seed) for seed in (1, 2, 3, 4)] == [[f"Work {seed}"] for seed in (1, 2, 3, 4)]


@pytest.mark.parametrize("register_something", [False, True])
def test_empty_register_has_an_index_too(register_something: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if register_something:
        register_as(make_user(), *hashes("sha256:" + "ab" * 32))
    assert index_build()
    built = _from_tables(monkeypatch)
    assert _titles(1) == []
    assert not built  # the file of nothing can be read
    _register(1)
    assert _titles(1) == ["Work 1"]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def _damage_bits(folder: Path) -> None:
    for path in sorted(folder.rglob("words.npy")):
        _flip(path)


DAMAGES = {
    "one bit": _damage_bits,
    "cut": lambda folder: [path.write_bytes(path.read_bytes()[:40]) for path in folder.rglob("*.npy")],
    "empty": lambda folder: [path.write_bytes(b"") for path in folder.rglob("*.npy")],
    "one file missing": lambda folder: next(folder.rglob("owners.npy")).unlink(),
    "all missing": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_file_is_passed_over_and_built_once(damage: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    _register(1, 2)
    index_build()
    damage(index_folder() / _manifest()["build"])
    built = _from_tables(monkeypatch)
    assert [_titles(1), _titles(2), _titles(3)] == [["Work 1"], ["Work 2"], []]
    assert len(built) == 1
    assert "damaged" in caplog.text
    index_build()
    index_forget()
    assert _titles(1) == ["Work 1"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"build": "x"}', '{"build": 7}', "\0"])
def test_manifest_that_says_nothing_is_passed_over(content: str) -> None:
    _register(1)
    index_build()
    (index_folder() / MANIFEST).write_text(content)
    index_forget()
    assert _titles(1) == ["Work 1"]


def test_file_of_another_database_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    _register(1)
    index_build()
    OptOutIndexBuild.objects.all().delete()  # as after the database was set back to before the build
    assert _titles(1) == ["Work 1"]
    assert "another database" in caplog.text


def test_index_in_memory_is_not_believed_after_the_server_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(1)
    assert _titles(1) == ["Work 1"]
    built = _from_tables(monkeypatch)
    monkeypatch.setattr(optout_index, "_database", lambda: ("another",))
    assert _titles(1) == ["Work 1"]
    assert _titles(1) == ["Work 1"]
    assert len(built) == 1


def test_erased_work_is_not_found_although_the_index_holds_it() -> None:
    _register(1)
    index_build()
    entry_erase(entry=OptOutEntry.objects.get(), actor=None)
    assert _titles(1) == []
    index_forget()
    assert _titles(1) == []


def test_broken_search_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(1)
    assert _titles(1) == ["Work 1"]
    WorkFeatures.objects.update(description=b"broken")
    register_as(make_user("ben"), pictures={"Work 2": picture_bytes(make_picture(2))})
    WorkFeatures.objects.update(description=b"broken")
    with pytest.raises(ValueError, match="description"):  # no answer is not a pass
        _titles(1)
    with pytest.raises(ValueError, match="description"):
        _titles(1)


def test_only_one_process_builds_at_a_time() -> None:
    import fcntl

    index_folder().mkdir(parents=True)
    with (index_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert index_build() is False
    assert index_build() is True


def test_old_builds_are_removed() -> None:
    _register(1)
    for _ in range(3):
        index_build()
    folders = [path for path in index_folder().iterdir() if path.is_dir()]
    assert [folder.name for folder in folders] == [_manifest()["build"]]


def test_index_is_due_when_there_is_none_or_much_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not index_is_due()
    _register(1)
    assert index_is_due()
    index_build()
    assert not index_is_due()
    monkeypatch.setattr(building, "LATER_MAX", 3)
    _register(2)  # a hash and features
    assert not index_is_due()
    register_as(make_user("ben"), *hashes("sha256:" + "ab" * 32))
    assert index_is_due()


def test_large_lists_are_searched_exactly_in_file_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optout_index, "CHUNK", 700)
    random = np.random.default_rng(5)
    many = random.integers(0, 256, (2000, 32), dtype=np.uint8)
    make_import(csv_of(*[f"work,{row.tobytes().hex()},pdq" for row in many[:1500]]))
    index_build()
    make_import(csv_of(*[f"work,{row.tobytes().hex()},pdq" for row in many[1500:]]), name="later")
    queries = many[random.integers(0, 2000, 60)].copy()
    queries[:, 0] ^= 0b1010_1010
    with works_index() as index:
        assert len(index.listed["pdq"]) == 2000
        found = index.listed["pdq"].search(queries, 20)
    owners = dict(WorkHash.objects.values_list("bits", "entry_id"))
    by_bits = {bytes(bits): owner for bits, owner in owners.items()}
    wanted = {
        (number, by_bits[row.tobytes()])
        for number, query in enumerate(queries)
        for row in many
        if int(np.bitwise_count(row ^ query).sum()) <= 20
    }
    assert set(zip(found.queries.tolist(), found.owners.tolist(), strict=True)) == wanted


# The lock: ids in the order in which a builder sees them


@pytest.mark.django_db(transaction=True)
def test_builder_waits_for_writers_so_that_no_row_below_its_mark_comes_later() -> None:
    entry = OptOutEntry.objects.create(kind="work", digest="00000000-0000-0000-0000-000000000001")
    inserted, go_on = threading.Event(), threading.Event()
    seen: list[tuple[int, int]] = []

    def writer() -> None:
        try:
            with transaction.atomic():
                WorkHash.objects.create(entry=entry, algorithm="pdq", bits=bytes(32))
                inserted.set()
                assert go_on.wait(20)
        finally:
            connections.close_all()

    def builder() -> None:
        try:
            seen.append(works_upto())
        finally:
            connections.close_all()

    writing = threading.Thread(target=writer)
    writing.start()
    assert inserted.wait(20)
    building_up = threading.Thread(target=builder)
    building_up.start()
    _wait_until_somebody_waits()
    assert seen == []
    go_on.set()
    building_up.join(20)
    writing.join(20)
    [row] = WorkHash.objects.all()
    assert seen == [(row.pk, 0)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [WORKS_LOCK])
        assert cursor.fetchone() == (0,)
    OptOutClaim.objects.all().delete()


def _wait_until_somebody_waits() -> None:
    """Until the builder stands in line for the lock: the database says so."""
    for _ in range(100_000):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", [WORKS_LOCK]
            )
            if cursor.fetchone() == (1,):
                return
    raise AssertionError("nobody waits for the lock")
