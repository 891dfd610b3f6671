"""`manage.py optout_export`: the opt-out register as a list, to standard output or a file."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from governance.management.base import DatabaseCommand
from moderation.models import EntryKind
from moderation.services.list_export import FORMATS, register_export


class Command(DatabaseCommand):
    help = "Write what is opted out now as a list that optout_import reads. It names people: keep it to yourself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=sorted(FORMATS), default="csv")
        parser.add_argument("--kind", choices=EntryKind.values, default="", help="only works, names or addresses")
        parser.add_argument("--output", type=Path, help="a file instead of standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = register_export(format=options["format"], kind=options["kind"], actor=None)
        if options["output"]:
            _to_file(options["output"], lines)
        else:
            _to_pipe(lines)


def _to_file(path: Path, lines: Iterable[str]) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error


def _to_pipe(lines: Iterable[str]) -> None:
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has enough; what is still buffered goes nowhere, or the interpreter would stumble over the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
