"""The whole check of the audit log: the chain, the anchors that were kept of it, and the rows that it vouches for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from governance.anchors import Anchor
from governance.audit import chain_fault
from governance.models import AuditEntry
from governance.seals import BATCH, SealCheck


@dataclass(frozen=True)
class Report:
    """How long the chain is and everything that is wrong; at a fault of the chain itself the check ends."""

    entries: int
    faults: tuple[str, ...]


def audit_check(anchors: Iterable[Anchor] = ()) -> Report:
    """Walk the chain from its first entry to its last, with every row that it seals."""
    check, along = SealCheck(), _Along()
    entries = AuditEntry.objects.order_by("sequence").iterator(chunk_size=BATCH)
    fault = chain_fault(along.walk(entries, check), anchors=[(anchor.sequence, anchor.hash) for anchor in anchors])
    if fault is not None:
        along.faults.insert(0, f"entry {fault.sequence}: {fault.what}")
    else:
        along.faults += check.strays()
    return Report(along.count, tuple(along.faults))


class _Along:
    """Hands entries on one by one and checks their rows by the batch."""

    def __init__(self) -> None:
        self.count = 0
        self.faults: list[str] = []

    def walk(self, entries: Iterable[AuditEntry], check: SealCheck) -> Iterator[AuditEntry]:
        batch: list[AuditEntry] = []
        for entry in entries:
            yield entry  # a fault of the chain ends the walk here: what such an entry seals proves nothing
            self.count += 1
            batch.append(entry)
            if len(batch) == BATCH:
                self._check(batch, check)
                batch = []
        self._check(batch, check)

    def _check(self, batch: list[AuditEntry], check: SealCheck) -> None:
        self.faults += (f"entry {fault.sequence}: {fault.what}" for fault in check.faults(batch))
