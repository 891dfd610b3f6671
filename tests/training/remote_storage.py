"""A storage that is not on this machine's disk, as an object store is."""

from typing import IO, Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage


class RemoteStorage(Storage):
    """Kept in memory; no file has a path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        return ContentFile(self.files[name])

    def _save(self, name: str, content: IO[Any]) -> str:
        self.files[name] = content.read()
        return name

    def exists(self, name: str) -> bool:
        return name in self.files

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        inside = [name.removeprefix(f"{path}/") for name in self.files if name.startswith(f"{path}/")]
        folders = {name.partition("/")[0] for name in inside if "/" in name}
        return sorted(folders), sorted(name for name in inside if "/" not in name)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)
