"""Entries of the opt-out register as rows: the same thing once, and its state worked out from what is claimed of it.

Every service that touches claims calls `entries_settle` in its transaction; nothing else writes `state` and `verified`.
"""

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection

from moderation.models import OptOutEntry, OptOutRevision, WorkHash
from moderation.optout_things import Thing


def entry_of(thing: Thing) -> OptOutEntry:
    """The entry of a thing, made when there is none; of two that are made at once there is one."""
    fields = {"kind": thing.kind, "text": thing.text, "form": thing.form, "host": thing.host, "mononym": thing.mononym}
    entry, made = OptOutEntry.objects.get_or_create(digest=thing.digest, defaults=fields)
    if made and thing.bits:
        WorkHash.objects.create(entry=entry, algorithm=thing.algorithm, bits=thing.bits)
    if not entry.text and thing.text:
        OptOutEntry.objects.filter(pk=entry.pk).update(text=thing.text)
        entry.text = thing.text
    return entry


_SETTLE = """
WITH told AS (
    SELECT claim.entry_id,
           bool_or(claim.state = 'active') AS active,
           bool_or(claim.state = 'pending') AS pending,
           bool_or(claim.state = 'rejected') AS rejected,
           bool_or(claim.state = 'active' AND claim.source_id IS NOT NULL) AS listed
    FROM moderation_optoutclaim AS claim WHERE claim.entry_id = ANY(%(ids)s) GROUP BY claim.entry_id
), wanted AS (
    SELECT entry.id,
           CASE WHEN entry.ruling = 'rejected' THEN 'rejected' WHEN told.active THEN 'active'
                WHEN told.pending THEN 'pending' WHEN told.rejected THEN 'rejected' ELSE 'withdrawn' END AS state,
           entry.ruling <> 'rejected' AND (entry.ruling = 'verified' OR coalesce(told.listed, false)) AS verified
    FROM moderation_optoutentry AS entry LEFT JOIN told ON told.entry_id = entry.id WHERE entry.id = ANY(%(ids)s)
)
UPDATE moderation_optoutentry AS entry SET state = wanted.state, verified = wanted.verified
FROM wanted WHERE wanted.id = entry.id
AND (entry.state, entry.verified) IS DISTINCT FROM (wanted.state, wanted.verified)
RETURNING entry.kind
"""


def entries_settle(ids: Iterable[int]) -> int:
    """Work out the state of these entries from their claims and rulings; how many changed.

    A change is counted in the revision of its kind, in the same transaction.
    """
    wanted: Sequence[int] = sorted(set(ids))
    if not wanted:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, {"ids": list(wanted)})
        changed = [kind for (kind,) in cursor.fetchall()]
    for kind in sorted(set(changed)):
        revision_mark(kind)
    return len(changed)


def revision_mark(kind: str) -> None:
    """Say that what counts of this kind has changed."""
    OptOutRevision.objects.update_or_create(kind=kind, defaults={"mark": uuid.uuid4()})
