"""The audit chain: how an entry's hash is made, and how the chain is checked."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from governance.models import AuditEntry

GENESIS = "0" * 64


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of everything in the entry but the hash itself."""
    return hashlib.sha256(canonical(entry_facts(entry)).encode()).hexdigest()


def entry_facts(entry: AuditEntry) -> dict[str, Any]:
    """An entry as plain values, as the export writes it."""
    return {
        "sequence": entry.sequence,
        "at": utc_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "data": entry.data,
        "previous_hash": entry.previous_hash,
    }


def canonical(value: object) -> str:
    """JSON with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def utc_text(moment: datetime) -> str:
    """The moment in UTC to the microsecond, as PostgreSQL keeps it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with the chain."""

    sequence: int
    what: str


def chain_fault(entries: Iterable[AuditEntry], *, anchor: tuple[int, str] | None = None) -> Fault | None:
    """The first fault of the chain in its order; `anchor` (sequence, hash) must be met on the way."""
    last = None
    for fault, entry in _walk(entries):
        if fault is not None:
            return fault
        if anchor and entry.sequence == anchor[0] and entry.hash != anchor[1]:
            return Fault(entry.sequence, "the entry is not the one that the anchor names")
        last = entry
    if anchor and (last is None or last.sequence < anchor[0]):
        return Fault(anchor[0], "the chain ends before the anchor: entries at its end were removed")
    return None


def _walk(entries: Iterable[AuditEntry]) -> Iterator[tuple[Fault | None, AuditEntry]]:
    expected, previous = 1, GENESIS
    for entry in entries:
        fault = None
        if entry.sequence != expected:
            fault = Fault(expected, f"entry {expected} is missing; {entry.sequence} follows")
        elif entry.previous_hash != previous:
            fault = Fault(entry.sequence, "the entry does not continue the one before it: reordered or replaced")
        elif entry.hash != entry_hash(entry):
            fault = Fault(entry.sequence, "the content was changed: it does not have the hash on record")
        yield fault, entry
        expected, previous = entry.sequence + 1, entry.hash
