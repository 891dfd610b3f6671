"""Exporting the register: for moderators alone, since it names people; each export is on the audit log."""

from collections.abc import Iterator

from accounts.models import User
from governance.services import audit_append
from moderation.list_files import written
from moderation.models import EntryKind, OptOutEntry, WorkHash
from moderation.selectors.optout import COUNTS

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}
CHUNK = 2_000


def register_export(*, format: str, kind: str = "", actor: User | None) -> Iterator[str]:
    """What counts now, line by line, as `list_files` reads it again.

    A work is written by its hashes; what was worked out from a picture beyond them stays here.
    """
    audit_append(
        actor=actor,
        action="optout.exported",
        subject=("moderation.optoutregister", ""),
        data={"format": format, "kind": kind},
    )
    return written(_rows(kind), format=format)


def _rows(kind: str) -> Iterator[dict[str, str]]:
    if kind in {"", EntryKind.WORK}:
        hashes = WorkHash.objects.filter(entry__in=OptOutEntry.objects.filter(COUNTS)).select_related("entry")
        for row in hashes.order_by("pk").iterator(chunk_size=CHUNK):
            yield {
                "kind": "work",
                "value": bytes(row.bits).hex(),
                "algorithm": row.algorithm,
                "title": row.entry.text,
                "reference": str(row.entry.public_id),
            }
    entries = OptOutEntry.objects.filter(COUNTS).exclude(kind=EntryKind.WORK)
    if kind:
        entries = entries.filter(kind=kind)
    for entry in entries.order_by("pk").iterator(chunk_size=CHUNK):
        mononym = "yes" if entry.mononym else ""
        reference = str(entry.public_id)
        yield {"kind": entry.kind, "value": entry.text, "mononym": mononym, "reference": reference}
