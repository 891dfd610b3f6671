"""`manage.py audit_verify`: walk the audit chain and name the first entry that is wrong."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.audit import chain_fault
from governance.models import AuditEntry
from governance.selectors import audit_head


class Command(BaseCommand):
    help = "Check the audit chain. Exit status 1 and the first bad entry when it was tampered with."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anchor", type=Path, help="a file that --write-anchor wrote earlier")
        parser.add_argument("--write-anchor", type=Path, help="write the chain's present end to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        anchor = _read_anchor(options["anchor"]) if options["anchor"] else None
        entries = AuditEntry.objects.order_by("sequence").iterator(chunk_size=2000)
        fault = chain_fault(entries, anchor=anchor)
        if fault is not None:
            raise CommandError(f"entry {fault.sequence}: {fault.what}")
        head = audit_head()
        if options["write_anchor"] and head:
            options["write_anchor"].write_text(json.dumps({"sequence": head.sequence, "hash": head.hash}) + "\n")
        self.stdout.write(f"{head.sequence if head else 0} entries, the chain is whole")


def _read_anchor(path: Path) -> tuple[int, str]:
    try:
        anchor = json.loads(path.read_text())
        return int(anchor["sequence"]), str(anchor["hash"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is no anchor: {error}. Write one with --write-anchor.") from error
