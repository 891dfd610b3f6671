"""Zip archives of strangers: looked at whole before anything is unpacked, and unpacked under a count.

Refused are archives that are encrypted, damaged, larger inside than allowed, absurdly compressed, with files that lie
over each other (Fifield, "A better zip bomb", WOOT 2019), or with paths that lead out. Links and special files are left
out. What an archive says of its sizes is checked while it is read.
"""

import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from training.layouts.errors import ArchiveRefused, EntryRefused
from training.layouts.trees import Remark, clean_path, is_junk

RATIO_MAX = 200  # unpacked to packed; deflate itself ends at 1032, and pictures hardly shrink
RATIO_FROM = 1024**2  # bytes of an entry from which its ratio is looked at: small texts may repeat themselves
LOCAL_HEADER = 30  # bytes at least before an entry's data (APPNOTE 4.3.7)
PIECE = 256 * 1024
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNICODE_PATH = 0x7075  # Info-ZIP's extra field with the name in UTF-8 (APPNOTE 4.6.9)
AGAIN = "Make the archive anew from the folder with the pictures, and send that."


@dataclass(frozen=True)
class Limits:
    """How many files, and how many bytes unpacked, an archive may hold."""

    files: int
    size: int


class ZipTree:
    """A zip archive as a tree of files; raises ArchiveRefused when it is opened, EntryRefused when one is read."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.remarks: tuple[Remark, ...] = ()
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
            raise ArchiveRefused("The file is no zip archive, or it is cut off.", AGAIN) from error
        try:
            self._entries = self._checked(limits)
        except ArchiveRefused:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def paths(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def read(self, path: str, most: int) -> bytes:
        entry = self._entries[path]
        if entry.file_size > most:
            raise EntryRefused(f"It is larger than {most // 1024**2} MiB.")
        if entry.compress_type not in METHODS:
            raise EntryRefused("It is packed by a method other than deflate.")
        pieces, left = [], entry.file_size
        try:
            with self._zip.open(entry) as file:
                while piece := file.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise EntryRefused("It is longer than the archive says.")
                    pieces.append(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise EntryRefused("It is damaged inside the archive.") from error
        return b"".join(pieces)

    def _checked(self, limits: Limits) -> dict[str, zipfile.ZipInfo]:
        entries = self._zip.infolist()
        _check_whole(entries, limits)
        found: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()
        remarks: list[Remark] = []
        for entry in entries:
            path = _path_of(entry)
            if path is None or is_junk(path):
                continue
            if why := _special(entry):
                remarks.append(Remark(path, why, "Put the file itself into the archive."))
            elif path.casefold() in seen:
                remarks.append(Remark(path, "The archive has two files of this name.", "Rename one of them."))
            else:
                seen.add(path.casefold())
                found[path] = entry
        self.remarks = tuple(remarks)
        return found


def _check_whole(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.files:
        raise ArchiveRefused(
            f"The archive holds {len(entries):,} files; {limits.files:,} are taken.", "Split it into several."
        )
    total = sum(entry.file_size for entry in entries)
    if total > limits.size:
        what = f"Unpacked, the archive has {total / 1024**2:,.0f} MiB; {limits.size / 1024**2:,.0f} are taken."
        raise ArchiveRefused(what, "Split it into several, or make the pictures smaller.")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise ArchiveRefused("The archive is encrypted.", "Pack it without a password.")
    for entry in entries:
        packed = max(entry.compress_size, 1)
        if entry.file_size > RATIO_FROM and entry.file_size / packed > RATIO_MAX:
            raise ArchiveRefused("A file in the archive is compressed beyond what any picture is.", AGAIN)
    _check_overlap(entries)


def _check_overlap(entries: list[zipfile.ZipInfo]) -> None:
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise ArchiveRefused("Files in the archive lie over each other.", AGAIN)
        end = entry.header_offset + LOCAL_HEADER + entry.compress_size


def _path_of(entry: zipfile.ZipInfo) -> str | None:
    """The cleaned path; None for a folder. An archive with a path that leads out is not opened at all."""
    if entry.filename.endswith("/"):
        return None
    try:
        return clean_path(_name_of(entry))
    except EntryRefused as refusal:
        what = f"A path in the archive is not safe ({entry.filename[:80]!r}): {str(refusal).lower()}"
        raise ArchiveRefused(what, AGAIN) from refusal


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: zipfile takes what is not marked as UTF-8 for code page 437."""
    if entry.flag_bits & 0x800:
        return entry.filename
    if (stated := _unicode_path(entry.extra)) is not None:
        return stated
    try:
        return entry.orig_filename.encode("cp437").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return entry.filename


def _unicode_path(extra: bytes) -> str | None:
    at = 0
    while at + 4 <= len(extra):
        kind, length = int.from_bytes(extra[at : at + 2], "little"), int.from_bytes(extra[at + 2 : at + 4], "little")
        body, at = extra[at + 4 : at + 4 + length], at + 4 + length
        if kind == UNICODE_PATH and len(body) > 5 and body[0] == 1:
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _special(entry: zipfile.ZipInfo) -> str:
    """What a file is that is no plain file; empty for one that is."""
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if stat.S_ISLNK(mode):
        return "It is a link, and links are not followed."
    return "" if kind in {0, stat.S_IFREG} else "It is no plain file."
