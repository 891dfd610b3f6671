"""Seals: rows outside the chain whose content the chain vouches for, and how they are checked against it.

An audit entry that is written with `rows` carries for each the fields, and the SHA-256 over their canonical JSON. The
tables are found by their names, so that governance can check those of the apps above it without knowing them.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model

from governance.audit import Fault, canonical, utc_text
from governance.models import AuditEntry

ROWS = "rows"  # the key in an entry's data
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


def seal_of(row: Model) -> dict[str, Any]:
    """What the chain keeps about a row: read back from the database, so that it can be read so again."""
    model = type(row)
    label = model._meta.label_lower
    left_open = _open_fields.get(label, frozenset())
    fields = sorted(field.attname for field in model._meta.concrete_fields if field.attname not in left_open)
    values = model._default_manager.filter(pk=row.pk).values(*fields).get()
    return {"table": label, "pk": str(row.pk), "fields": fields, "sha256": values_digest(values)}


def values_digest(values: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a row's fields."""
    return hashlib.sha256(canonical({name: _plain(value) for name, value in values.items()}).encode()).hexdigest()


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

    def faults(self, entries: Iterable[AuditEntry]) -> Iterator[Fault]:
        """What is wrong with the rows that these entries seal, in the order of the entries."""
        sealed = [(entry, seal) for entry in entries for seal in entry.data.get(ROWS, ())]
        rows = _rows_of([seal for _, seal in sealed])
        for entry, seal in sealed:
            self._unsealed.get(seal["table"], set()).discard(seal["pk"])
            row = rows.get((seal["table"], seal["pk"]))
            name = f"the row {seal['pk']} of {seal['table']}"
            if row is None:
                yield Fault(entry.sequence, f"{name}, which it vouches for, was removed")
            elif values_digest({field: row.get(field) for field in seal["fields"]}) != seal["sha256"]:
                yield Fault(entry.sequence, f"{name}, which it vouches for, was changed")

    def strays(self) -> Iterator[str]:
        """Rows that no entry vouches for although their table is written by services that log."""
        for label, keys in self._unsealed.items():
            for key in sorted(keys):
                yield f"the row {key} of {label} is in no entry: it was not written by this program"


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
