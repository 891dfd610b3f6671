"""`manage.py audit_export`: the audit log as JSON lines."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from governance.audit import entry_facts
from governance.models import AuditEntry


class Command(BaseCommand):
    help = "Write the audit log as JSON lines, one entry a line, in the order of the chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, help="a file instead of standard output")
        parser.add_argument("--from", dest="first", type=int, default=1, help="first sequence number")
        parser.add_argument("--to", dest="last", type=int, help="last sequence number")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = AuditEntry.objects.filter(sequence__gte=options["first"]).order_by("sequence")
        if options["last"]:
            entries = entries.filter(sequence__lte=options["last"])
        target = options["output"].open("w") if options["output"] else sys.stdout
        try:
            for entry in entries.iterator(chunk_size=2000):
                target.write(json.dumps({**entry_facts(entry), "hash": entry.hash}, ensure_ascii=False) + "\n")
        finally:
            if target is not sys.stdout:
                target.close()
