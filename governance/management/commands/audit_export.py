"""`manage.py audit_export`: the audit log as JSON lines."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError, CommandParser

from governance.audit import entry_facts
from governance.management.base import DatabaseCommand
from governance.models import AuditEntry


class Command(DatabaseCommand):
    help = "Write the audit log as JSON lines, one entry a line, in the order of the chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, help="a file instead of standard output")
        parser.add_argument("--from", dest="first", type=int, default=1, help="first sequence number")
        parser.add_argument("--to", dest="last", type=int, help="last sequence number")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = AuditEntry.objects.filter(sequence__gte=options["first"]).order_by("sequence")
        if options["last"]:
            entries = entries.filter(sequence__lte=options["last"])
        if options["output"]:
            self._to_file(options["output"], entries.iterator(chunk_size=2000))
        else:
            _to_pipe(entries.iterator(chunk_size=2000))

    def _to_file(self, path: Path, entries: Iterable[AuditEntry]) -> None:
        try:
            with path.open("w", encoding="utf-8") as file:
                _write(file, entries)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error


def _to_pipe(entries: Iterable[AuditEntry]) -> None:
    try:
        _write(sys.stdout, entries)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has enough, as `head` has after ten lines. What is still buffered goes nowhere, or the interpreter
        # would stumble over the same pipe when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(target: IO[str], entries: Iterable[AuditEntry]) -> None:
    for entry in entries:
        target.write(json.dumps({**entry_facts(entry), "hash": entry.hash}, ensure_ascii=False) + "\n")
