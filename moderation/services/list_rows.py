"""The rows of a list as entries and claims, thousands at a time: copied into a temporary table and joined there."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from moderation.list_files import Row
from moderation.models import ClaimState, OptOutClaim, OptOutImport
from moderation.services.optout_entries import entries_settle, revision_mark

WITHDRAWN_AT_ONCE = 5_000

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS optout_stage (
    digest uuid NOT NULL, kind text NOT NULL, text text NOT NULL, form text NOT NULL, host text NOT NULL,
    mononym boolean NOT NULL, algorithm text NOT NULL, bits bytea NOT NULL, reference text NOT NULL
) ON COMMIT DELETE ROWS
"""
_COPY = "COPY optout_stage (digest, kind, text, form, host, mononym, algorithm, bits, reference) FROM STDIN"
# What a file names twice is one thing, told of by its first line with a text. In one order, so that two imports that
# meet in the same entries do not wait for each other crosswise.
_ONCE = "SELECT DISTINCT ON (digest) * FROM optout_stage ORDER BY digest, (text = '')"
_ENTRIES = f"""
WITH once AS ({_ONCE}), made AS (
    INSERT INTO moderation_optoutentry
        (public_id, kind, digest, text, form, host, mononym, ruling, state, verified, created_at)
    SELECT gen_random_uuid(), kind, digest, text, form, host, mononym, '', 'active', true, %(now)s FROM once
    ON CONFLICT (digest) DO NOTHING RETURNING id, digest
)
INSERT INTO moderation_workhash (entry_id, algorithm, bits)
SELECT made.id, once.algorithm, once.bits FROM made JOIN once USING (digest) WHERE once.algorithm <> ''
"""
_CLAIMS = f"""
WITH once AS ({_ONCE})
INSERT INTO moderation_optoutclaim AS claim (entry_id, source_id, last_import, reference, state, created_at)
SELECT entry.id, %(source)s, %(import)s, once.reference, 'active', %(now)s
FROM once JOIN moderation_optoutentry AS entry USING (digest) ORDER BY entry.id
ON CONFLICT (source_id, entry_id) WHERE source_id IS NOT NULL
DO UPDATE SET last_import = excluded.last_import, state = 'active', ended_at = NULL
RETURNING claim.entry_id, (xmax = 0)
"""


def rows_claim(*, job: OptOutImport, rows: Sequence[Row]) -> tuple[int, int]:
    """The list claims what these rows name; how many of them are new to the list, and how many it had named before.

    Runs in the transaction of the caller.
    """
    if not rows:
        return 0, 0
    told: dict[str, Any] = {"now": timezone.now(), "source": job.source_id, "import": job.pk}
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        _copy(cursor, rows)
        cursor.execute(_ENTRIES, told)
        cursor.execute(_CLAIMS, told)
        claimed = cursor.fetchall()
        cursor.execute("DELETE FROM optout_stage")
    entries_settle(entry for entry, _ in claimed)  # new ones are as they will be; others may change
    for kind in sorted({row.thing.kind for row in rows if row.thing}):
        revision_mark(kind)
    added = sum(1 for _, new in claimed if new)
    return added, len(rows) - added


def _copy(cursor: Any, rows: Sequence[Row]) -> None:
    types = ["uuid", "text", "text", "text", "text", "bool", "text", "bytea", "text"]
    with cursor.copy(f"{_COPY} (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(_staged(row))


def _staged(row: Row) -> tuple[uuid.UUID, str, str, str, str, bool, str, bytes, str]:
    thing = row.thing
    assert thing is not None
    return (
        thing.digest,
        thing.kind.value,
        thing.text,
        thing.form,
        thing.host,
        thing.mononym,
        thing.algorithm,
        thing.bits,
        row.reference,
    )


def rows_withdraw(*, job: OptOutImport, after: int) -> tuple[int, int]:
    """End what the list claims beyond its newest import, from the entry behind `after` on.

    Answers the entry at which to go on (0 when all are done) and how many claims ended.
    """
    claims = OptOutClaim.objects.filter(source=job.source_id, entry_id__gt=after).order_by("entry_id")
    looked = list(claims.values_list("entry_id", "last_import", "state")[:WITHDRAWN_AT_ONCE])
    gone = [entry for entry, seen, state in looked if seen != job.pk and state == ClaimState.ACTIVE]
    still = Q(source=job.source_id, entry__in=gone, state=ClaimState.ACTIVE) & ~Q(last_import=job.pk)
    ended = OptOutClaim.objects.filter(still).update(state=ClaimState.WITHDRAWN, ended_at=timezone.now())
    entries_settle(gone)
    return (looked[-1][0] if len(looked) == WITHDRAWN_AT_ONCE else 0), ended
