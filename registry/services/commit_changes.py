"""What a commit asks for: the changes in order, on top of which branch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REGULAR_MOST = 512 * 1024  # bytes of a file that comes inside the commit; texts are not larger


@dataclass(frozen=True)
class PutFile:
    """A small file, whose content lies at `place`."""

    path: str
    place: Path


@dataclass(frozen=True)
class PutLarge:
    """A file whose bytes came before, by LFS or Xet."""

    path: str
    sha256: str


@dataclass(frozen=True)
class DeleteFile:
    """The file at `path` goes."""

    path: str


@dataclass(frozen=True)
class DeleteFolder:
    """Everything below `path` goes."""

    path: str


@dataclass(frozen=True)
class CopyFile:
    """The file at `source` in `revision`, or in the one that the commit is made on, stands at `path` too."""

    path: str
    source: str
    revision: str = ""


Change = PutFile | PutLarge | DeleteFile | DeleteFolder | CopyFile


@dataclass(frozen=True)
class Wanted:
    """A commit as somebody asks for it; with `parent`, only on top of that revision."""

    branch: str
    message: str
    changes: Sequence[Change]
    parent: str = ""
