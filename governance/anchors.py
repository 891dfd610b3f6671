"""Anchors: the chain's end, signed and kept beside the keys, so that an end that was cut off is missed later."""

import fcntl
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from governance.audit import utc_text
from governance.models import AuditEntry
from governance.signing import sign, signature_fits

log = logging.getLogger(__name__)

KIND = "audit-anchor"


@dataclass(frozen=True)
class Anchor:
    """One entry that the chain had, by its number and hash; `body` is the signed line, empty for a bare one."""

    sequence: int
    hash: str
    where: str
    body: dict[str, Any]


class AnchorUnreadable(ValueError):
    """A line or file that holds no anchor; the message says which and why."""


def anchors_path() -> Path:
    return Path(settings.KEYS_DIR) / "audit-anchors.jsonl"


def anchors_read(path: Path) -> list[Anchor]:
    """All anchors of a file, one a line; raises AnchorUnreadable, or OSError when there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_anchor(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _anchor(line: str, where: str) -> Anchor:
    try:
        body = json.loads(line)
        return Anchor(int(body["sequence"]), str(body["hash"]), where, body if "signature" in body else {})
    except (ValueError, KeyError, TypeError) as error:
        raise AnchorUnreadable(f"{where}: {error}") from error


def anchor_append(head: AuditEntry) -> bool:
    """Sign the chain's end and append it to the file; False when the end is there already."""
    path = anchors_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = _last(path)
        if last is not None and last.sequence >= head.sequence:
            if (last.sequence, last.hash) != (head.sequence, head.hash):
                log.error("The audit chain ends at %d, but an anchor names %d.", head.sequence, last.sequence)
            return False
        body = {"kind": KIND, "sequence": head.sequence, "hash": head.hash, "at": utc_text(head.at)}
        torn = path.stat().st_size and not path.read_bytes().endswith(b"\n")
        file.write(("\n" if torn else "") + json.dumps(sign(body), ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def _last(path: Path) -> Anchor | None:
    """The newest anchor; a line that a crash left half-written is passed over here, and named by `audit_verify`."""
    for line in reversed(path.read_text(encoding="utf-8").splitlines()):
        with suppress(AnchorUnreadable):
            return _anchor(line, str(path))
    return None


def anchor_faults(anchors: list[Anchor], keys: dict[str, bytes]) -> list[str]:
    """Lines of the installation's own file that its key did not sign; keys that are not at hand are passed over."""
    faults = []
    for anchor in anchors:
        public = keys.get(str(anchor.body.get("key_id", "")))
        if not anchor.body:
            faults.append(f"{anchor.where}: the anchor is not signed")
        elif public is not None and not signature_fits(anchor.body, public):
            faults.append(f"{anchor.where}: the signature does not fit, so this line was changed")
    return faults
