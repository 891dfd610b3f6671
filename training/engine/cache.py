"""What was encoded once is kept on disk: one small file for each picture or caption, named by all that decides it.

Runs share a cache, even at the same time: files appear whole or not at all, and equal names mean equal content. A file
that is damaged counts as absent and is made anew.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

VERSION = "1"  # of what is stored under a name; a new one forgets all caches
IN_MEMORY = 512 * 1024 * 1024  # bytes

Entry = dict[str, Tensor]


class Cache:
    """Encoded pictures or captions, on disk and, the latest ones, in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._near: OrderedDict[str, Entry] = OrderedDict()
        self._near_bytes = 0

    @staticmethod
    def key(*facts: str) -> str:
        """The name for all the facts that decide the content."""
        return hashlib.sha256("\0".join((VERSION, *facts)).encode()).hexdigest()

    def get(self, key: str) -> Entry | None:
        """The entry, or None where it has to be made."""
        if key in self._near:
            self._near.move_to_end(key)
            return self._near[key]
        entry = _read(self._path(key))
        if entry is not None:
            self._keep(key, entry)
        return entry

    def put(self, key: str, entry: Mapping[str, Tensor]) -> None:
        """Store an entry for good."""
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in entry.items()}
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = save(plain, {"digest": _digest(plain)})
        with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".partial", delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        self._keep(key, plain)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.safetensors"

    def _keep(self, key: str, entry: Entry) -> None:
        if key in self._near:
            return
        self._near[key] = entry
        self._near_bytes += _size(entry)
        while self._near_bytes > IN_MEMORY and len(self._near) > 1:
            _, old = self._near.popitem(last=False)
            self._near_bytes -= _size(old)


def _size(entry: Entry) -> int:
    return sum(tensor.nbytes for tensor in entry.values())


def _digest(entry: Entry) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(entry.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> Entry | None:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            entry = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            digest = (file.metadata() or {}).get("digest")
    except (FileNotFoundError, SafetensorError, OSError):
        return None
    return entry if digest == _digest(entry) else None
