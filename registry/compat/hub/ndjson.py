"""Reading the body of a commit: one JSON object `{key, value}` per line, as it arrives and without trust.

Small files come inside the lines and are laid into a folder; never more than one line is in memory.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.services.commit_changes import (
    REGULAR_MOST,
    Change,
    CopyFile,
    DeleteFile,
    DeleteFolder,
    PutFile,
    PutLarge,
)
from registry.services.repository_paths import path_checked
from registry.services.uploads import Readable

PIECE = 64 * 1024
LINE_MOST = REGULAR_MOST * 4 // 3 + 16 * 1024  # bytes: a small file in base64, its path, and the JSON around them
MOST_CHANGES = 2_000
MOST_SMALL = 64 * 1024 * 1024  # bytes of all small files of a commit together


class BodyRefused(Exception):
    """The body cannot be read as a commit; says which line and why."""


@dataclass
class CommitBody:
    """What a client wants to commit: the changes in order."""

    summary: str = ""
    description: str = ""
    parent: str = ""  # the revision that the client saw, where it named one
    changes: list[Change] = field(default_factory=list)


def commit_body(stream: Readable, folder: Path) -> CommitBody:
    """The commit in `stream`; small files are written into `folder`. Raises BodyRefused or PathRefused."""
    body, begun, small = CommitBody(), False, 0
    for number, line in enumerate(_lines(stream), start=1):
        key, value = _parsed(number, line)
        if key == "header":
            if begun:
                raise BodyRefused(f"Line {number}: there is one header already.")
            begun = True
            _take_header(body, number, value)
        else:
            if len(body.changes) == MOST_CHANGES:
                raise BodyRefused(f"Line {number}: a commit holds at most {MOST_CHANGES:,} changes.")
            body.changes.append(change := _change(number, key, value, folder))
            small += change.place.stat().st_size if isinstance(change, PutFile) else 0
            if small > MOST_SMALL:
                raise BodyRefused(f"Line {number}: small files have at most {MOST_SMALL:,} bytes together.")
    if not begun:
        raise BodyRefused("There is no header: the first line names the summary.")
    return body


def _lines(stream: Readable) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line.strip())
        if len(rest) > LINE_MOST:
            raise BodyRefused(
                f"A line has more than {LINE_MOST:,} bytes: files of more than {REGULAR_MOST:,} go by LFS or Xet."
            )
    if rest.strip():
        yield rest


def _parsed(number: int, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BodyRefused(f"Line {number} is not JSON.") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("value"), dict):
        raise BodyRefused(f'Line {number} is not of the form {{"key": …, "value": {{…}}}}.')
    return str(parsed.get("key")), parsed["value"]


def _take_header(body: CommitBody, number: int, value: dict[str, Any]) -> None:
    body.summary = _text(number, value, "summary", "")
    body.description = _text(number, value, "description", "")
    body.parent = _text(number, value, "parentCommit", "").lower()


def _text(number: int, value: dict[str, Any], name: str, default: str | None = None) -> str:
    found = value.get(name)
    if found is None and default is not None:
        return default
    if not isinstance(found, str) or "\0" in found:
        raise BodyRefused(f"Line {number}: `{name}` is not a text.")
    try:
        found.encode()
    except UnicodeEncodeError as error:  # half of a pair of surrogates: no database takes it
        raise BodyRefused(f"Line {number}: `{name}` is no valid Unicode.") from error
    return found


def _change(number: int, key: str, value: dict[str, Any], folder: Path) -> Change:
    if key not in {"file", "lfsFile", "deletedFile", "deletedFolder", "copyFile"}:
        known = "header, file, lfsFile, copyFile, deletedFile and deletedFolder"
        raise BodyRefused(f"Line {number}: {key[:40]!r} is not known. Known are {known}.")
    named = _text(number, value, "path")
    path = path_checked(named.rstrip("/") if key == "deletedFolder" else named)
    if key == "deletedFile":
        return DeleteFile(path)
    if key == "deletedFolder":
        return DeleteFolder(path)
    if key == "copyFile":
        return _copy(number, path, value)
    return _large(number, path, value) if key == "lfsFile" else _small(number, path, value, folder)


def _copy(number: int, path: str, value: dict[str, Any]) -> CopyFile:
    if value.get("srcRepo") or value.get("srcRepoId"):
        raise BodyRefused(f"Line {number}: nothing is copied out of other repositories; send the file again.")
    source = path_checked(_text(number, value, "srcPath"))
    return CopyFile(path, source, _text(number, value, "srcRevision", ""))


def _large(number: int, path: str, value: dict[str, Any]) -> PutLarge:
    oid = _text(number, value, "oid").lower()
    if value.get("algo", "sha256") != "sha256" or len(oid) != 64 or set(oid) - set("0123456789abcdef"):
        raise BodyRefused(f"Line {number}: an LFS file is named by a SHA-256 of 64 hexadecimal digits.")
    return PutLarge(path, oid)


def _small(number: int, path: str, value: dict[str, Any], folder: Path) -> PutFile:
    content = _content(number, value)
    if len(content) > REGULAR_MOST:
        raise BodyRefused(
            f"Line {number}: {path} has {len(content):,} bytes; files of more than {REGULAR_MOST:,} go by LFS or Xet."
        )
    place = folder / str(number)
    place.write_bytes(content)
    return PutFile(path, place)


def _content(number: int, value: dict[str, Any]) -> bytes:
    text = _text(number, value, "content")
    encoding = value.get("encoding", "utf-8")
    if encoding == "utf-8":
        return text.encode()
    if encoding != "base64":
        raise BodyRefused(f"Line {number}: the encoding is base64 or utf-8.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BodyRefused(f"Line {number}: the content is not base64.") from error
