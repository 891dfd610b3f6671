"""The audit chain: how an entry's hash is made, and how the chain is checked."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
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


def as_stored(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as a JSON column gives them back: names are text, and a fraction without one is a whole number."""
    stored: dict[str, Any] = json.loads(json.dumps(dict(data)), parse_float=_number)
    return stored


def _number(digits: str) -> float | int:
    """The column keeps decimal numbers: 1e16 would come back as an integer, and -0.0 without its sign."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def utc_text(moment: datetime) -> str:
    """The moment in UTC to the microsecond, as PostgreSQL keeps it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with the chain."""

    sequence: int
    what: str


def chain_fault(
    entries: Iterable[AuditEntry], *, anchor: tuple[int, str] | None = None, anchors: Iterable[tuple[int, str]] = ()
) -> Fault | None:
    """The first fault of the chain in its order; all anchors (sequence, hash) must be met on the way."""
    expected: dict[int, set[str]] = {}
    for sequence, met in (*anchors, *([anchor] if anchor else [])):
        expected.setdefault(sequence, set()).add(met)
    last = 0
    for fault, entry in _walk(entries):
        if fault is not None:
            return fault
        if expected.pop(entry.sequence, {entry.hash}) != {entry.hash}:
            return Fault(entry.sequence, "the entry is not the one that the anchor names")
        last = entry.sequence
    if expected:
        missed = min(expected)
        return Fault(missed, f"the chain ends before the anchor, with entry {last}: entries at its end were removed")
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
