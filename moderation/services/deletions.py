"""Deleted stays deleted: a journal outside the database, and what a restored backup brings back goes again.

The journal lies beside the keys, as the anchors of the audit log do, one JSON line for each proof of deletion and what
became of its identity: ids alone. After an older backup was restored, the next sweep reads there what had been deleted
since, and deletes it again.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from moderation.models import DeletionProof, DeletionVia, FaceTemplate, IdentityStatus, ProtectedIdentity
from moderation.services.likeness import identity_erase, identity_withdraw, templates_delete

TEMPLATES, WITHDRAWN, ERASED = "templates", "withdrawn", "erased"


@dataclass(frozen=True)
class Deletion:
    """One line: which templates of which identity were deleted, and how far that went."""

    proof: str
    identity: str
    templates: tuple[str, ...]
    went: str


class JournalUnreadable(ValueError):
    """A line that holds no deletion; the message says which."""


def journal_path() -> Path:
    return Path(settings.KEYS_DIR) / "deletions.jsonl"


def journal_read() -> list[Deletion]:
    """All lines; JournalUnreadable where one is none, for what it said must not be forgotten."""
    if not journal_path().exists():
        return []
    lines = journal_path().read_text(encoding="utf-8").splitlines()
    return [_deletion(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def deletions_keep() -> int:
    """Write down what was deleted, and delete again what came back; answers how many identities had to be."""
    known = journal_read()
    written = set(known)
    _append([deletion for deletion in _proven() if deletion not in written])
    return _withdrawn_again(known) + _templates_again(known)


def _proven() -> list[Deletion]:
    """What the database says was deleted."""
    went = {identity.public_id: _went(identity) for identity in ProtectedIdentity.objects.all()}
    return [
        Deletion(
            str(proof.public_id),
            str(proof.identity_ref),
            tuple(proof.templates),
            went.get(proof.identity_ref, ERASED),
        )
        for proof in DeletionProof.objects.order_by("pk")
    ]


def _went(identity: ProtectedIdentity) -> str:
    if identity.status != IdentityStatus.WITHDRAWN:
        return TEMPLATES
    return WITHDRAWN if identity.name else ERASED


def _withdrawn_again(known: list[Deletion]) -> int:
    gone = {deletion.identity for deletion in known if deletion.went in {WITHDRAWN, ERASED}}
    erased = {deletion.identity for deletion in known if deletion.went == ERASED}
    back = ProtectedIdentity.objects.filter(public_id__in=gone).exclude(status=IdentityStatus.WITHDRAWN)
    found = list(back)
    for identity in found:
        identity_withdraw(identity=identity, via=DeletionVia.RETENTION)
    named = list(ProtectedIdentity.objects.filter(public_id__in=erased).exclude(name=""))
    for identity in named:
        identity_erase(identity=identity, via=DeletionVia.RETENTION)
    return len({identity.pk for identity in (*found, *named)})


def _templates_again(known: list[Deletion]) -> int:
    gone = {template for deletion in known for template in deletion.templates}
    back = [row for row in FaceTemplate.objects.select_related("identity") if str(row.public_id) in gone]
    identities = {row.identity_id: row.identity for row in back}
    for identity in identities.values():
        templates_delete(identity=identity, via=DeletionVia.RETENTION)
    return len(identities)


def _append(deletions: list[Deletion]) -> None:
    if not deletions:
        return
    path = journal_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.writelines(json.dumps(asdict(deletion)) + "\n" for deletion in deletions)
        file.flush()
        os.fsync(file.fileno())


def _deletion(line: str, number: int) -> Deletion:
    try:
        body = json.loads(line)
        return Deletion(str(body["proof"]), str(body["identity"]), tuple(body["templates"]), str(body["went"]))
    except (ValueError, KeyError, TypeError) as error:
        raise JournalUnreadable(
            f"{journal_path()}, line {number}, is no deletion. Restore the file from a copy, or mend that line."
        ) from error
