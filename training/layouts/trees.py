"""A tree of files by their relative paths, wherever they lie: what both archives and single uploads are read as."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from training.layouts.errors import EntryRefused

PATH_MAX = 300  # characters, as the database keeps them
JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Remark:
    """Something about one file that its sender ought to know: what, and what to do."""

    path: str
    what: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "what": self.what, "remedy": self.remedy}


class Tree(Protocol):
    """Files by path. Reading is bounded: EntryRefused for one that is larger, or cannot be read."""

    @property
    def remarks(self) -> tuple[Remark, ...]: ...

    def paths(self) -> tuple[str, ...]: ...

    def read(self, path: str, most: int) -> bytes: ...


@dataclass
class Files:
    """Files that lie on the local disk, under the paths that their senders gave them."""

    places: Mapping[str, Path]
    remarks: tuple[Remark, ...] = ()

    def paths(self) -> tuple[str, ...]:
        return tuple(self.places)

    def read(self, path: str, most: int) -> bytes:
        with self.places[path].open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise EntryRefused(f"It is larger than {most // 1024**2} MiB.")
        return content


@dataclass
class Joined:
    """Several trees as one; of two files with one path the first counts."""

    trees: tuple[Tree, ...]
    _of: dict[str, Tree] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tree in self.trees:
            for path in tree.paths():
                self._of.setdefault(path, tree)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return tuple(remark for tree in self.trees for remark in tree.remarks)

    def paths(self) -> tuple[str, ...]:
        return tuple(self._of)

    def read(self, path: str, most: int) -> bytes:
        return self._of[path].read(path, most)


def clean_path(name: str) -> str:
    """A relative path with `/`, in NFC, without what controls a terminal; raises EntryRefused for one that leads out.

    Backslashes are separators, as Windows programs write them.
    """
    text = unicodedata.normalize("NFC", name.replace("\\", "/"))
    if text.startswith("/") or (len(text) > 1 and text[1] == ":") or "\0" in text:
        raise EntryRefused("Its path is absolute.")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise EntryRefused("Its path leads out of the folder.")
    cleaned = "/".join("".join(char for char in part if char.isprintable()).strip() for part in parts)
    if not cleaned.strip("/") or len(cleaned) > PATH_MAX:
        raise EntryRefused(f"Its path is empty or longer than {PATH_MAX} characters.")
    return cleaned


def is_junk(path: str) -> bool:
    """What operating systems leave in folders: nobody meant to send it."""
    return any(part.lower() in JUNK or part.startswith(".") for part in path.split("/"))


def without_wrapper(paths: tuple[str, ...], *, meaningful: Callable[[str], bool]) -> dict[str, str]:
    """path → the path without the one folder that everything lies in, unless that folder's name means something."""
    shown = {path: path for path in paths}
    while shown:
        heads = {short.partition("/")[0] for short in shown.values()}
        deep = all("/" in short for short in shown.values())
        if len(heads) != 1 or not deep or meaningful(next(iter(heads))):
            break
        shown = {path: short.partition("/")[2] for path, short in shown.items()}
    return shown


def sorted_paths(tree: Tree) -> Iterator[str]:
    """Every path in an order that does not depend on how the tree was sent."""
    yield from sorted(tree.paths())
