"""`manage.py audit_export`: the audit log as JSON lines."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from governance.audit import entry_facts
from governance.handles import actor_names
from governance.management.base import DatabaseCommand
from governance.models import AuditEntry

BATCH = 2000


class Command(DatabaseCommand):
    help = "Write the audit log as JSON lines, one entry a line, in the order of the chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, help="a file instead of standard output")
        parser.add_argument("--names", action="store_true", help="add who acted, where it is still known")
        parser.add_argument("--from", dest="first", type=int, default=1, help="first sequence number")
        parser.add_argument("--to", dest="last", type=int, help="last sequence number")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = AuditEntry.objects.filter(sequence__gte=options["first"]).order_by("sequence")
        if options["last"]:
            entries = entries.filter(sequence__lte=options["last"])
        if options["output"]:
            self._to_file(options["output"], _lines(entries, options["names"]))
        else:
            _to_pipe(_lines(entries, options["names"]))

    def _to_file(self, path: Path, lines: Iterable[str]) -> None:
        try:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error


def _to_pipe(lines: Iterable[str]) -> None:
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has enough, as `head` has after ten lines. What is still buffered goes nowhere, or the interpreter
        # would stumble over the same pipe when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(entries: QuerySet[AuditEntry], names: bool) -> Iterator[str]:
    """The hash covers all but itself and `actor_name`, which lies beside the chain."""
    for batch in _batches(entries.iterator(chunk_size=BATCH)):
        known = actor_names({entry.actor for entry in batch}) if names else {}
        for entry in batch:
            beside = {"actor_name": known.get(entry.actor)} if names else {}
            yield json.dumps({**entry_facts(entry), "hash": entry.hash, **beside}, ensure_ascii=False) + "\n"


def _batches(entries: Iterator[AuditEntry]) -> Iterator[list[AuditEntry]]:
    while batch := list(islice(entries, BATCH)):
        yield batch
