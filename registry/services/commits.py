"""A commit of the Hub protocol: one transaction that makes an immutable revision, and sends weights to the intake.

Other people see nothing of it before the versions in it are published; `registry/selectors/revisions.py` says so.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accounts.errors import NotPermitted
from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import CommitRefused, CommitStale, QuotaExceeded
from registry.models import Adapter, Arrival, Blob, Revision, Transfer
from registry.permissions import AdapterPermission as P
from registry.selectors.access import adapter_permissions
from registry.selectors.revisions import revision_of
from registry.services.arrivals import Note, arrivals_settle
from registry.services.cards import card_apply, card_refuse_false, card_stored
from registry.services.commit_changes import REGULAR_MOST, CopyFile, DeleteFile, DeleteFolder, PutFile, PutLarge, Wanted
from registry.services.declarations import Card, card_read
from registry.services.depots import adapter_depot
from registry.services.repositories import (
    branch_head,
    file_store,
    git_blob_sha1,
    revision_make,
    tree_of,
)
from registry.services.repository_paths import CARD, is_text, is_weights
from registry.services.transfers import transfer_sent
from registry.services.uploads import clean_filename, quota_left, upload_path

MOST_PATHS = 5_000  # of one revision
MOST_WEIGHTS = 16  # new files of weights in one commit: each becomes a version
ATTEMPTS = 3


@dataclass
class Committed:
    """What became of it: the revision, and what its people have to know."""

    revision: Revision
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class _Content:
    """Bytes on this disk that are about to be a blob: a finished transfer, or a small file."""

    sha256: str
    place: Path
    transfer: Transfer | None = None


@dataclass(frozen=True)
class _Plan:
    """The commit worked out on top of `base`: what each path holds then, by the SHA-256 of its content."""

    base: Revision | None
    tree: Mapping[str, str]
    stored: Mapping[str, Blob]  # what the repository has already, by SHA-256
    contents: Mapping[str, _Content]
    card: Card | None  # where the commit brings one


def commit_take(*, actor: User, adapter: Adapter, wanted: Wanted) -> Committed:
    """Commit; raises CommitStale, CommitRefused, PathRefused, NotPermitted, and nothing is changed then."""
    for attempt in range(ATTEMPTS):
        plan = _planned(actor, adapter, wanted)
        keys = {content.sha256: _stored(adapter, content) for content in plan.contents.values()}
        try:
            return _commit(actor, adapter, wanted, plan, keys)
        except _Moved as moved:
            if attempt == ATTEMPTS - 1:
                raise CommitStale(f"Others commit to {wanted.branch} at the same time.") from moved
    raise AssertionError("unreachable")


class _Moved(Exception):
    """The branch has moved on between the plan and the transaction."""


def _planned(actor: User, adapter: Adapter, wanted: Wanted) -> _Plan:
    base = branch_head(adapter=adapter, branch=wanted.branch)
    if wanted.parent and (base is None or not base.sha.startswith(wanted.parent)):
        raise CommitStale(f"{wanted.branch} is at {base.sha if base else 'no revision'}, not at {wanted.parent[:40]}.")
    before = tree_of(base)
    stored = {blob.sha256: blob for blob in before.values()}
    contents: dict[str, _Content] = {}
    tree = {path: blob.sha256 for path, blob in before.items()}
    for change in wanted.changes:
        if isinstance(change, CopyFile):
            blob = _copied(change, actor, adapter, before)
            tree[change.path], stored[blob.sha256] = blob.sha256, blob
        else:
            _apply(tree, change, actor, adapter, stored, contents)
    _check_tree(tree, {path: blob.sha256 for path, blob in before.items()})
    _check_permitted(actor, adapter, tree, {path: blob.sha256 for path, blob in before.items()})
    _check_room(adapter, contents)
    card = _card(tree, contents)
    if card is not None:
        card_refuse_false(card=card, actor=actor)
    return _Plan(base, tree, stored, contents, card)


def _apply(
    tree: dict[str, str],
    change: PutFile | PutLarge | DeleteFile | DeleteFolder,
    actor: User,
    adapter: Adapter,
    stored: dict[str, Blob],
    contents: dict[str, _Content],
) -> None:
    if isinstance(change, PutFile):
        content = _small(change)
        contents[content.sha256] = content
        tree[change.path] = content.sha256
    elif isinstance(change, PutLarge):
        tree[change.path] = _large(change, actor, adapter, stored, contents)
    elif isinstance(change, DeleteFile):
        if tree.pop(change.path, None) is None:
            raise CommitRefused(f"There is no {change.path} to delete.", remedy="Read the newest revision.")
    else:
        inside = [path for path in tree if path.startswith(f"{change.path}/")]
        if not inside:
            raise CommitRefused(f"There is no folder {change.path} to delete.", remedy="Read the newest revision.")
        for path in inside:
            del tree[path]


def _copied(change: CopyFile, actor: User, adapter: Adapter, before: Mapping[str, Blob]) -> Blob:
    """What is copied, from the state before the commit or a revision that the actor may see; weights stay weights."""
    if change.revision:
        before = tree_of(revision_of(repository=adapter, actor=actor, name=change.revision))
    if (blob := before.get(change.source)) is None:
        raise CommitRefused(f"There is no {change.source} to copy.", remedy="Read the newest revision.")
    if is_weights(change.path) != is_weights(change.source) or not (is_weights(change.path) or is_text(change.path)):
        raise CommitRefused(f"{change.source} cannot become {change.path}, a file of another kind.")
    return blob


def _small(change: PutFile) -> _Content:
    if not is_weights(change.path) and not is_text(change.path):
        raise _not_taken(change.path)
    raw = change.place.read_bytes()
    if len(raw) > REGULAR_MOST:
        raise CommitRefused(
            f"{change.path} has {len(raw):,} bytes; as part of a commit it has {REGULAR_MOST:,} at most."
        )
    if not is_weights(change.path):
        _text(change.path, raw)
    return _Content(hashlib.sha256(raw).hexdigest(), change.place)


def _text(path: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CommitRefused(f"{path} is no UTF-8 text.", remedy="Save it as UTF-8, or leave it out.") from error
    if "\0" in text:
        raise CommitRefused(f"{path} is no text: it holds a NUL byte.", remedy="Leave it out.")
    return text


def _large(
    change: PutLarge, actor: User, adapter: Adapter, stored: dict[str, Blob], contents: dict[str, _Content]
) -> str:
    if not is_weights(change.path):
        raise _not_taken(change.path)
    blob = Blob.objects.filter(adapter=adapter, sha256=change.sha256).first()
    if blob is not None:
        stored[blob.sha256] = blob
        return blob.sha256
    transfer = transfer_sent(actor=actor, depot=adapter_depot(adapter), sha256=change.sha256)
    if transfer is None:
        raise CommitRefused(
            f"The bytes of {change.path} did not arrive: nothing with the SHA-256 {change.sha256} was sent here.",
            remedy="Upload the file again; what is in other repositories has to be sent too.",
        )
    contents[change.sha256] = _Content(change.sha256, upload_path(transfer.upload_id), transfer)
    return change.sha256


def _not_taken(path: str) -> CommitRefused:
    return CommitRefused(
        f"{path} is of a kind that is not taken: repositories hold weights, and texts of {REGULAR_MOST // 1024} KiB.",
        remedy="Attach pictures on the version's page, where they are screened; leave the rest out.",
    )


def _check_tree(tree: Mapping[str, str], before: Mapping[str, str]) -> None:
    if len(tree) > MOST_PATHS:
        raise CommitRefused(f"The revision would hold {len(tree):,} files; {MOST_PATHS:,} is the most.")
    for path in tree:
        parts = path.split("/")
        if inside := next((up for n in range(1, len(parts)) if (up := "/".join(parts[:n])) in tree), None):
            raise CommitRefused(f"{inside} cannot be a file and the folder of {path}.", remedy="Rename one of them.")
    fresh = [path for path, sha in tree.items() if is_weights(path) and sha not in before.values()]
    if len(fresh) > MOST_WEIGHTS:
        raise CommitRefused(
            f"The commit brings {len(fresh)} new files of weights, and each becomes a version.",
            remedy=f"Commit at most {MOST_WEIGHTS} at a time.",
        )


def _check_permitted(actor: User, adapter: Adapter, tree: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Members bring weights. What strangers read at once, or miss at once, is its maintainers' to change."""
    granted = adapter_permissions(actor, adapter)
    if P.CONTRIBUTE not in granted:
        raise NotPermitted(f"Your role towards {adapter} does not include {P.CONTRIBUTE.value}.")
    removed = before.keys() - tree.keys()
    texts = [path for path, sha in tree.items() if not is_weights(path) and before.get(path) != sha]
    founder = adapter.created_by_id == actor.pk and adapter.published_at is None  # as whoever fills in the form
    if (removed or texts) and P.EDIT not in granted and not founder:
        named = sorted([*removed, *texts])[0]
        raise NotPermitted(
            f"Members add weights to {adapter}; its maintainers change {named}.",
            remedy="Ask a maintainer or owner of the organisation to commit it.",
        )


def _check_room(adapter: Adapter, contents: Mapping[str, _Content]) -> None:
    """Small files need room too; what came before has been given it already."""
    size = sum(content.place.stat().st_size for content in contents.values() if content.transfer is None)
    if size and size > (left := quota_left(namespace=adapter.owner)):
        raise QuotaExceeded(f"The commit has {size:,} bytes and {max(left, 0):,} are left for {adapter.owner}.")


def _card(tree: Mapping[str, str], contents: Mapping[str, _Content]) -> Card | None:
    """The README.md that this commit brings."""
    content = contents.get(tree.get(CARD, ""))
    if content is None:
        return None
    return card_read(_text(CARD, content.place.read_bytes()))


def _stored(adapter: Adapter, content: _Content) -> tuple[str, str, int]:
    """Where the content is kept, its git id and its size: before the transaction, an object store may take minutes."""
    key = file_store(adapter=adapter, path=content.place, sha256=content.sha256)
    return key, git_blob_sha1(content.place), content.place.stat().st_size


@audited()
def _commit(
    actor: User, adapter: Adapter, wanted: Wanted, plan: _Plan, keys: Mapping[str, tuple[str, str, int]]
) -> Committed:
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    head = branch_head(adapter=adapter, branch=wanted.branch)
    if (head.pk if head else None) != (plan.base.pk if plan.base else None):
        raise _Moved
    blobs = dict(plan.stored) | {sha: _blob(adapter, sha, *facts) for sha, facts in keys.items()}
    tree = {path: blobs[sha] for path, sha in plan.tree.items()}
    if head is not None and dict(plan.tree) == {path: blob.sha256 for path, blob in tree_of(head).items()}:
        return Committed(head)
    revision = revision_make(
        adapter=adapter, author=actor, message=wanted.message, tree=tree, parent=head, branch=wanted.branch
    )
    _arrive(adapter, revision, tree, plan.contents)
    audit_append(
        actor=actor,
        action="adapter.committed",
        subject=("registry.adapter", str(adapter.pk)),
        data={"revision": revision.sha, "parent": head.sha if head else "", "paths": len(tree)},
    )
    if plan.card is not None:
        card_apply(actor=actor, adapter=adapter, card=plan.card)
    card = plan.card or card_stored(tree)
    notes = arrivals_settle(actor=actor, adapter=adapter, revision=revision, card=card, corrected=plan.card is not None)
    return Committed(revision, notes)


def _blob(adapter: Adapter, sha256: str, key: str, git_sha1: str, size: int) -> Blob:
    blob, _ = Blob.objects.get_or_create(
        adapter=adapter, sha256=sha256, defaults={"git_sha1": git_sha1, "size": size, "storage_key": key}
    )
    return blob


def _arrive(adapter: Adapter, revision: Revision, tree: Mapping[str, Blob], contents: Mapping[str, _Content]) -> None:
    """Write down which weights are new here, with the upload that the intake will take where it came as one."""
    for path, blob in tree.items():
        content = contents.get(blob.sha256)
        if content is None or not is_weights(path):
            continue
        upload = content.transfer.upload if content.transfer else None
        if upload is not None:
            upload.filename = clean_filename(path)
            upload.save(update_fields=["filename"])
            Transfer.objects.filter(upload=upload).delete()  # from now on it is an upload like any other
        Arrival.objects.get_or_create(
            adapter=adapter, blob=blob, defaults={"revision": revision, "path": path, "upload": upload}
        )
