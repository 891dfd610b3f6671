"""`manage.py audit_verify`: walk the audit chain and name what is wrong with it or with the rows it vouches for."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from governance.anchors import Anchor, AnchorUnreadable, anchor_faults, anchors_path, anchors_read
from governance.management.base import DatabaseCommand
from governance.selectors import audit_head
from governance.signing import known_keys
from governance.verification import audit_check

SHOWN = 20


class Command(DatabaseCommand):
    help = "Check the audit log. Exit status 1 and what is wrong when it was tampered with."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anchor", type=Path, help="a file that --write-anchor wrote, or a copy of the anchors")
        parser.add_argument("--write-anchor", type=Path, help="write the chain's present end to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        kept = _anchors(anchors_path()) if anchors_path().exists() else []
        given = _anchors(options["anchor"]) if options["anchor"] else []
        head = audit_head()
        report = audit_check([*kept, *given])
        faults = [*anchor_faults(kept, known_keys()), *report.faults]
        if faults:
            more = [f"… and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
            raise CommandError("\n".join([*faults[:SHOWN], *more]))
        if options["write_anchor"] and head:
            options["write_anchor"].write_text(json.dumps({"sequence": head.sequence, "hash": head.hash}) + "\n")
        self.stdout.write(f"{report.entries} entries, the chain is whole\n{_told(kept, given)}")


def _told(kept: list[Anchor], given: list[Anchor]) -> str:
    anchors = [*kept, *given]
    if not anchors:
        return "no anchors yet: entries that were cut off at the end would not be missed"
    newest = max(anchor.sequence for anchor in anchors)
    return f"anchors met: {len(anchors)}, the newest at entry {newest}; what follows it is not anchored yet"


def _anchors(path: Path) -> list[Anchor]:
    try:
        found = anchors_read(path)
    except (OSError, AnchorUnreadable) as error:
        raise CommandError(f"{path} is no anchor: {error}. Write one with --write-anchor.") from error
    if not found:
        raise CommandError(f"{path} is no anchor: the file is empty. Write one with --write-anchor.")
    return found
