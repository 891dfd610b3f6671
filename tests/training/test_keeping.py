"""Checkpoints in an object store: another machine finds them whole, or the ones before."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import override_settings

from tests.factories.training import make_run
from training.keeping import MANIFESTS, checkpoints_fetch, checkpoints_push, folder_forget, run_folder, store_prefix
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
REMOTE = {"BACKEND": "tests.training.remote_storage.RemoteStorage"}


@pytest.fixture
def run() -> Iterator[TrainingRun]:
    made = make_run()
    with override_settings(STORAGES={"default": REMOTE, "staticfiles": REMOTE}):
        yield made
    shutil.rmtree(run_folder(made), ignore_errors=True)


def write(run: TrainingRun, name: str, content: bytes, *, at: int = 1) -> None:
    path = run_folder(run) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(at, at))


def found(run: TrainingRun) -> dict[str, bytes]:
    folder = run_folder(run)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored(run: TrainingRun, under: str = "") -> list[str]:
    """What the store has of the run's state."""
    prefix = f"{store_prefix(run)}/state/{under}"
    return sorted(name for name in storages["default"].files if name.startswith(prefix))


class Killed(BaseException):
    """The worker is gone."""


@contextlib.contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """The worker is killed when it is about to change the store for the (step + 1)th time; whether it never was."""
    storage, count = storages["default"], itertools.count()
    killed = []

    def counted(name: str) -> Callable[..., object]:
        real = getattr(storage, name)

        def change(*args: object, **kwargs: object) -> object:
            if next(count) >= step:
                killed.append(name)
                raise Killed
            return real(*args, **kwargs)

        return change

    with monkeypatch.context() as patched:
        for name in ("save", "delete"):
            patched.setattr(storage, name, counted(name))
        yield lambda: not killed


def test_local_storage_needs_no_copies() -> None:
    run = make_run()
    write(run, "step-1/state.json", b"{}")
    assert checkpoints_push(run) == 0
    assert checkpoints_fetch(run) == 0
    shutil.rmtree(run_folder(run))


def test_another_machine_finds_what_was_pushed(run: TrainingRun) -> None:
    write(run, "step-1/adapter.safetensors", b"weights")
    write(run, "step-1/state.json", b"{}")
    assert checkpoints_push(run) == 2
    before = found(run)
    shutil.rmtree(run_folder(run))
    assert checkpoints_fetch(run) == 2
    assert found(run) == before
    assert checkpoints_push(run) == 0  # the same files are not sent again


def test_only_what_is_new_travels_and_what_is_gone_goes(run: TrainingRun) -> None:
    write(run, "step-1/state.json", b"one")
    checkpoints_push(run)
    shutil.rmtree(run_folder(run) / "step-1")
    write(run, "step-2/state.json", b"two")
    assert checkpoints_push(run) == 1
    assert stored(run, "step-1") == []
    shutil.rmtree(run_folder(run))
    checkpoints_fetch(run)
    assert found(run) == {"step-2/state.json": b"two"}


def test_what_a_worker_left_here_without_pushing_it_gives_way(run: TrainingRun) -> None:
    write(run, "step-1/state.json", b"one")
    checkpoints_push(run)
    write(run, "step-2/state.json", b"half")
    write(run, "step-1/state.json", b"changed", at=2)
    checkpoints_fetch(run)
    assert found(run) == {"step-1/state.json": b"one"}


def test_an_end_leaves_nothing(run: TrainingRun) -> None:
    write(run, "step-1/state.json", b"one")
    checkpoints_push(run)
    folder_forget(run)
    assert not run_folder(run).exists()
    assert stored(run) == []


def test_an_end_leaves_nothing_of_a_push_that_was_cut_off(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, "step-1/state.json", b"one")
    with killed_at(1, monkeypatch), pytest.raises(Killed):
        checkpoints_push(run)
    assert stored(run) != []
    folder_forget(run)
    assert stored(run) == []


def test_without_a_manifest_what_lies_here_stays(run: TrainingRun) -> None:
    write(run, "step-1/state.json", b"one")
    assert checkpoints_fetch(run) == 0
    assert found(run) == {"step-1/state.json": b"one"}


def test_whenever_a_push_is_killed_the_former_checkpoint_or_the_new_one_is_whole(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, "step-1/state.json", b"one")
    write(run, "record.jsonl", b"1")
    checkpoints_push(run)
    former = found(run)
    shutil.rmtree(run_folder(run) / "step-1")
    write(run, "step-2/state.json", b"two")
    write(run, "record.jsonl", b"22", at=2)
    wanted, kept = found(run), run_folder(run).with_name("kept")
    run_folder(run).rename(kept)
    before = dict(storages["default"].files)
    seen = []
    for step in itertools.count():
        storages["default"].files = dict(before)
        shutil.copytree(kept, run_folder(run), dirs_exist_ok=True)
        with killed_at(step, monkeypatch) as whole, contextlib.suppress(Killed):
            checkpoints_push(run)
        shutil.rmtree(run_folder(run))
        checkpoints_fetch(run)
        seen.append(found(run))
        assert seen[-1] in (former, wanted), step
        shutil.rmtree(run_folder(run))
        if whole():
            break
    shutil.rmtree(kept)
    assert (seen[0], seen[-1], len(seen) > 4) == (former, wanted, True)


def test_a_manifest_that_was_cut_off_gives_way_to_the_one_before(run: TrainingRun) -> None:
    storage, prefix = storages["default"], f"{store_prefix(run)}/state"
    for number in (1, 2):
        write(run, "record.jsonl", b"r" * number, at=number)
        checkpoints_push(run)
    names = [f"{prefix}/{name}" for name in MANIFESTS if storage.exists(f"{prefix}/{name}")]
    assert len(names) == 2
    for name in names:
        storage.delete(name)
        storage.save(name, ContentFile(b'{"number": 3, "fi'))
    with pytest.raises(ValueError, match="No manifest"):
        checkpoints_fetch(run)
    assert found(run) == {"record.jsonl": b"rr"}
