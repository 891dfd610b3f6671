"""Seals: rows outside the chain whose content the chain vouches for, and how they are checked against it.

An audit entry that is written with `rows` carries for each the fields, and the SHA-256 over a salt and their canonical
JSON. The salt lies beside the chain (`SealSalt`), so that what a row said about a person cannot be tried out against
the chain once it is erased. The tables are found by their names, so that governance can check those of the apps above
it without knowing them.

What must be erased from a sealed row is redacted (`governance.redaction`): an entry of the chain says which seals stop
holding and seals the row as it stands from then on. Any other change of a sealed row is a fault.
"""

import hashlib
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model

from governance.audit import Fault, canonical, utc_text
from governance.models import AuditEntry, SealSalt

ROWS = "rows"  # the key in an entry's data
REDACTED = "privacy.redacted"  # the action of an entry after which seals of before do not hold
SALT_BYTES = 16
BATCH = 2000

# Label of a table → fields that may change after the row is written.
_open_fields: dict[str, frozenset[str]] = {}
# Tables each row of which is sealed by the service that writes it: any other row was put in past the services.
_complete: set[str] = set()


def seal_table(model: type[Model], *, open_fields: Iterable[str] = (), complete: bool = False) -> None:
    """Say how a table is sealed; apps do so when they are ready."""
    _open_fields[model._meta.label_lower] = frozenset(open_fields)
    if complete:
        _complete.add(model._meta.label_lower)


def seal_of(row: Model) -> tuple[dict[str, Any], bytes]:
    """What the chain keeps about a row, read back from the database so that it can be read so again; and the salt."""
    model = type(row)
    label = model._meta.label_lower
    left_open = _open_fields.get(label, frozenset())
    fields = sorted(field.attname for field in model._meta.concrete_fields if field.attname not in left_open)
    values = model._default_manager.filter(pk=row.pk).values(*fields).get()
    salt = os.urandom(SALT_BYTES)
    seal = {"table": label, "pk": str(row.pk), "fields": fields, "sha256": values_digest(values, salt), "salted": True}
    return seal, salt


def values_digest(values: dict[str, Any], salt: bytes = b"") -> str:
    """SHA-256 over the salt and the canonical JSON of a row's fields; seals of old have no salt."""
    plain = {name: _plain(value) for name, value in values.items()}
    return hashlib.sha256(salt + canonical(plain).encode()).hexdigest()


def salts_keep(*, sequence: int, sealed: Iterable[tuple[dict[str, Any], bytes]]) -> None:
    """Keep the salts of an entry's seals."""
    SealSalt.objects.bulk_create(
        SealSalt(sequence=sequence, table=seal["table"], key=seal["pk"], salt=salt, sha256=seal["sha256"])
        for seal, salt in sealed
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(value)
    return str(value) if isinstance(value, uuid.UUID) else value


class SealCheck:
    """Goes along the chain with it: `faults` takes a batch of entries, `strays` asks at its end for what is left."""

    def __init__(self) -> None:
        # Read before the chain is: a row that is committed meanwhile is no stray.
        self._unsealed = {
            label: {str(pk) for pk in apps.get_model(label)._default_manager.values_list("pk", flat=True)}
            for label in sorted(_complete)
        }
        self._redacted = _redactions()

    def faults(self, entries: Iterable[AuditEntry]) -> Iterator[Fault]:
        """What is wrong with the rows that these entries seal, in the order of the entries."""
        sealed = [(entry, seal) for entry in entries for seal in entry.data.get(ROWS, ())]
        rows = _rows_of([seal for _, seal in sealed])
        salts = _salts_of({entry.sequence for entry, _ in sealed})
        for entry, seal in sealed:
            where = seal["table"], seal["pk"]
            self._unsealed.get(seal["table"], set()).discard(seal["pk"])
            if (row := rows.get(where)) is None:
                yield Fault(entry.sequence, f"{_named(seal)} was removed")
            elif self._redacted.get((*where, seal["sha256"]), 0) > entry.sequence:
                continue  # the entry that redacted it seals what stands there now
            elif seal.get("salted") and (entry.sequence, *where) not in salts:
                yield Fault(entry.sequence, f"{_named(seal)} cannot be checked: the salt of its seal was removed")
            elif _digest(row, seal, salts.get((entry.sequence, *where), b"")) != seal["sha256"]:
                yield Fault(entry.sequence, f"{_named(seal)} was changed")

    def strays(self) -> Iterator[str]:
        """Rows that no entry vouches for although their table is written by services that log."""
        for label, keys in self._unsealed.items():
            for key in sorted(keys):
                yield f"the row {key} of {label} is in no entry: it was not written by this program"


def _named(seal: dict[str, Any]) -> str:
    return f"the row {seal['pk']} of {seal['table']}, which it vouches for,"


def _digest(row: dict[str, Any], seal: dict[str, Any], salt: bytes) -> str:
    return values_digest({field: row.get(field) for field in seal["fields"]}, salt)


def _salts_of(sequences: set[int]) -> dict[tuple[int, str, str], bytes]:
    kept = SealSalt.objects.filter(sequence__in=sequences).values_list("sequence", "table", "key", "salt")
    return {(sequence, table, key): bytes(salt) for sequence, table, key, salt in kept}


def _redactions() -> dict[tuple[str, str, str], int]:
    """The seals that a later entry of the chain redacted, with that entry's number."""
    found = {}
    for sequence, data in AuditEntry.objects.filter(action=REDACTED).values_list("sequence", "data"):
        for hidden in data.get("redacted", ()):
            for digest in hidden["was"]:
                found[hidden["table"], hidden["pk"], digest] = sequence
    return found


def _rows_of(seals: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows that are sealed, with all their fields."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for seal in seals:
        wanted[seal["table"]].add(seal["pk"])
    found = {}
    for label, keys in wanted.items():
        model = apps.get_model(label)
        for row in model._default_manager.filter(pk__in=keys).values():
            found[label, str(row[model._meta.pk.attname])] = row
    return found
