"""Blobs and revisions: content stored once per adapter, trees that never change."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from registry.models import Adapter, Blob, Ref, Revision, RevisionEntry
from registry.models.repositories import RefKind
from registry.storage import adopt_file

MAIN = "main"
PIECE = 1024 * 1024


def git_blob_sha1(path: Path) -> str:
    """The id git gives a blob: sha1 of `blob <size>\\0` and the content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def file_store(*, adapter: Adapter, path: Path, sha256: str) -> str:
    """Put the content of `path` where the blob of `adapter` will look for it; answers the key.

    Called outside of transactions, because an object store may take minutes for it.
    """
    key = f"blobs/{adapter.pk}/{sha256[:2]}/{sha256}"
    adopt_file(path=path, key=key)
    return key


def blob_adopt(*, adapter: Adapter, path: Path, sha256: str, git_sha1: str) -> Blob:
    """Take the file at `path` into the adapter's own store; the same content is stored once per adapter.

    The file itself goes when the transaction commits: a worker that dies before leaves it to the next.
    """
    size = path.stat().st_size
    key = file_store(adapter=adapter, path=path, sha256=sha256)
    transaction.on_commit(lambda: path.unlink(missing_ok=True))
    blob, _ = Blob.objects.get_or_create(
        adapter=adapter, sha256=sha256, defaults={"git_sha1": git_sha1, "size": size, "storage_key": key}
    )
    return blob


def revision_commit(
    *, adapter: Adapter, author: User, message: str, entries: Mapping[str, Blob], branch: str = MAIN
) -> Revision:
    """A new revision with these paths over those of the branch's head; moves the branch."""
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    parent = branch_head(adapter=adapter, branch=branch)
    tree = tree_of(parent) | dict(entries)
    return revision_make(adapter=adapter, author=author, message=message, tree=tree, parent=parent, branch=branch)


def branch_head(*, adapter: Adapter, branch: str) -> Revision | None:
    """The revision that a branch names, or None."""
    ref = Ref.objects.filter(adapter=adapter, kind=RefKind.BRANCH, name=branch).select_related("revision").first()
    return ref.revision if ref else None


def tree_of(revision: Revision | None) -> dict[str, Blob]:
    """Every path of a revision with its content."""
    return {entry.path: entry.blob for entry in revision.entries.select_related("blob")} if revision else {}


def revision_make(
    *, adapter: Adapter, author: User, message: str, tree: Mapping[str, Blob], parent: Revision | None, branch: str
) -> Revision:
    """A new revision with exactly these paths; moves the branch. The caller holds the adapter's lock."""
    now = timezone.now()
    lines = [f"{path}\0{blob.sha256}" for path, blob in sorted(tree.items())]
    facts = [adapter.pk, parent.sha if parent else "", author.pk, now.isoformat(), message, *lines]
    sha = hashlib.sha1("\n".join(map(str, facts)).encode(), usedforsecurity=False).hexdigest()
    revision = Revision.objects.create(
        adapter=adapter, sha=sha, parent=parent, message=message[:500], author=author, created_at=now
    )
    RevisionEntry.objects.bulk_create(
        RevisionEntry(revision=revision, path=path, blob=blob) for path, blob in tree.items()
    )
    Ref.objects.update_or_create(
        adapter=adapter,
        kind=RefKind.BRANCH,
        name=branch,
        defaults={"revision": revision, "updated_at": now},
    )
    return revision
