"""Redaction: taking a person out of rows that the chain vouches for, on record, so that the chain can still be checked.

The entry that redacts names each row, its fields and the seals that stop holding, and seals the row as it stands from
then on. The salts of the old seals are deleted with it, so that what was hidden cannot be tried out against them. The
audit entries themselves are never changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Min, Model

from accounts.models import User
from governance.models import AuditEntry, SealSalt
from governance.seals import REDACTED, ROWS
from governance.services import audit_append, audited

BATCH = 100  # rows of one entry
SWITCH = "governance.redaction"  # the setting that the triggers of append-only tables ask, for one transaction
Where = tuple[str, str]  # table and primary key


@dataclass(frozen=True)
class Redaction:
    """One row, and what stands in some of its columns from now on."""

    row: Model
    values: Mapping[str, Any]

    @property
    def where(self) -> Where:
        return self.row._meta.label_lower, str(self.row.pk)


@audited()
def rows_redact(*, redactions: Sequence[Redaction], actor: User | None, subject: tuple[str, str], ground: str) -> int:
    """Write the new values, and say so on the chain where it vouches for a row; how many rows.

    `ground` is a code for why. Runs in the caller's transaction.
    """
    seals = _seals_of({redaction.where for redaction in redactions})
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [SWITCH])
        for redaction in redactions:
            type(redaction.row)._default_manager.filter(pk=redaction.row.pk).update(**redaction.values)
        cursor.execute("SELECT set_config(%s, '', true)", [SWITCH])
    sealed = [redaction for redaction in redactions if redaction.where in seals]
    for start in range(0, len(sealed), BATCH):
        _tell(sealed[start : start + BATCH], seals, actor, subject, ground)
    return len(redactions)


def _tell(
    batch: Sequence[Redaction], seals: Mapping[Where, set[str]], actor: User | None, subject: tuple[str, str], why: str
) -> None:
    hidden = [
        {
            "table": redaction.where[0],
            "pk": redaction.where[1],
            "fields": sorted(redaction.values),
            "was": sorted(seals[redaction.where]),
        }
        for redaction in batch
    ]
    for told in hidden:
        SealSalt.objects.filter(table=told["table"], key=told["pk"]).delete()
    rows = [redaction.row for redaction in batch]
    audit_append(actor=actor, action=REDACTED, subject=subject, data={"ground": why, "redacted": hidden}, rows=rows)


def _seals_of(wanted: set[Where]) -> dict[Where, set[str]]:
    """The digests of every seal on record of these rows: those with a salt, and those of before there were salts."""
    found: dict[Where, set[str]] = {}
    keys = [key for _, key in wanted]
    for table, key, digest in SealSalt.objects.filter(key__in=keys).values_list("table", "key", "sha256"):
        if (table, key) in wanted:
            found.setdefault((table, key), set()).add(digest)
    first = SealSalt.objects.aggregate(first=Min("sequence"))["first"]
    old = AuditEntry.objects.filter(data__has_key=ROWS)
    for data in (old.filter(sequence__lt=first) if first else old).values_list("data", flat=True).iterator():
        for seal in data[ROWS]:
            where = seal["table"], seal["pk"]
            if where in wanted and not seal.get("salted"):
                found.setdefault(where, set()).add(seal["sha256"])
    return found
