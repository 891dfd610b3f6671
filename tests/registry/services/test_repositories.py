"""An adapter as a repository: 40-hex revisions over each other, content once per adapter and never across two."""

import hashlib
import re
import subprocess
import uuid
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from accounts.models import User
from registry.models import Adapter, Blob, Ref, Revision
from registry.services.repositories import blob_adopt, git_blob_sha1, revision_commit
from tests.factories.accounts import make_user
from tests.factories.registry import make_adapter, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def adapter(ada: User) -> Adapter:
    return make_adapter(actor=ada)


def _blob(adapter: Adapter, folder: Path, content: bytes) -> Blob:
    path = folder / str(uuid.uuid4())  # as every upload has a file of its own
    path.write_bytes(content)
    sha = hashlib.sha256(content).hexdigest()
    return blob_adopt(adapter=adapter, path=path, sha256=sha, git_sha1=git_blob_sha1(path))


def test_blob_has_the_id_that_git_gives_it(tmp_path: Path) -> None:
    for content in (b"", b"hello\n", lora_bytes()):
        path = tmp_path / "blob"
        path.write_bytes(content)
        expected = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        assert git_blob_sha1(path) == expected
    (tmp_path / "blob").write_bytes(b"hello\n")
    assert git_blob_sha1(tmp_path / "blob") == "ce013625030ba8dba906f756967f9e9ca394464a"  # as git hash-object says


def test_version_is_a_revision_with_its_file_at_its_path(adapter: Adapter) -> None:
    revision = Revision.objects.get()
    assert re.fullmatch(r"[0-9a-f]{40}", revision.sha)
    assert [entry.path for entry in revision.entries.all()] == ["style.safetensors"]
    assert Ref.objects.get().revision == revision
    assert Ref.objects.get().name == "main"


def test_next_version_stands_on_the_one_before(ada: User, adapter: Adapter) -> None:
    first = Revision.objects.get()
    version = make_version(actor=ada, content=lora_bytes(seed=2), filename="other.safetensors")
    second = version.revision
    assert second is not None
    assert second.parent == first
    assert [entry.path for entry in second.entries.all()] == ["other.safetensors", "style.safetensors"]
    assert [entry.path for entry in first.entries.all()] == ["style.safetensors"]
    assert Ref.objects.get().revision == second


def test_equal_trees_committed_twice_are_two_revisions(ada: User, adapter: Adapter) -> None:
    blob = Blob.objects.get()
    shas = {revision_commit(adapter=adapter, author=ada, message="same", entries={"a": blob}).sha for _ in range(3)}
    assert len(shas) == 3


def test_branch_of_its_own_leaves_main_alone(ada: User, adapter: Adapter) -> None:
    main = Ref.objects.get().revision
    other = revision_commit(adapter=adapter, author=ada, message="x", entries={"a": Blob.objects.get()}, branch="try")
    assert other.parent is None
    assert Ref.objects.get(name="main").revision == main


def test_same_content_is_stored_once_within_an_adapter(adapter: Adapter, tmp_path: Path) -> None:
    first = _blob(adapter, tmp_path, b"content")
    again = _blob(adapter, tmp_path, b"content")
    assert first == again
    assert Path(default_storage.path(again.storage_key)).read_bytes() == b"content"


def test_same_content_is_stored_apart_in_another_adapter(ada: User, adapter: Adapter, tmp_path: Path) -> None:
    other = make_adapter(actor=ada, name="other", content=lora_bytes(seed=2))
    mine, theirs = _blob(adapter, tmp_path, b"content"), _blob(other, tmp_path, b"content")
    assert mine != theirs
    assert mine.storage_key != theirs.storage_key
    assert Path(default_storage.path(mine.storage_key)).stat().st_ino != (
        Path(default_storage.path(theirs.storage_key)).stat().st_ino
    )


def test_database_keeps_one_blob_per_content_and_adapter(adapter: Adapter) -> None:
    blob = Blob.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Blob.objects.create(adapter=adapter, sha256=blob.sha256, git_sha1="", size=1, storage_key="x")


def test_git_itself_agrees_about_the_id(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(lora_bytes())
    try:
        said = subprocess.run(["git", "hash-object", str(path)], capture_output=True, check=True, text=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    assert said.stdout.strip() == git_blob_sha1(path)
