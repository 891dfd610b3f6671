"""All hashes of a file in one pass: SHA256, AutoV1, AutoV2, AutoV3, BLAKE3, CRC32, and a digest of the tensors alone.

Each chunk goes to two threads, since hashlib, blake3 and zlib let go of the interpreter while they work.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from registry.artifacts.header import Header, read_header
from registry.artifacts.values import FiniteCheck

CHUNK = 4 * 1024 * 1024
AUTOV1_START, AUTOV1_END = 0x100000, 0x110000


@dataclass(frozen=True)
class FileHashes:
    """Hex digests of one file. AutoV1 is None below 2 MiB; AutoV3 is kept whole, tools show 10 or 12 digits."""

    size: int
    sha256: str
    autov1: str | None
    autov2: str
    autov3: str
    blake3: str
    crc32: str
    tensors_digest: str
    nonfinite_tensors: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()  # what `sshs_legacy_hash` can be


def hash_file(
    path: Path, *, on_progress: Callable[[int], None] | None = None, check_values: bool = False
) -> FileHashes:
    """Read the file once; `on_progress` gets the bytes done. Raises ArtifactRefused for an unsound file.

    `check_values` also names the tensors that hold NaN or infinite values.
    """
    header = read_header(path)
    work = _Work(header, check_values)
    done = 0
    with ThreadPoolExecutor(max_workers=2) as threads:
        for chunk in _chunks(path):
            _ = [future.result() for future in [threads.submit(step, chunk, done) for step in work.steps]]
            done += len(chunk)
            if on_progress is not None:
                on_progress(done)
    return replace(work.result(done), legacy=_legacy_hashes(path, header))


def _legacy_hashes(path: Path, header: Header) -> tuple[str, ...]:
    """AutoV1 of the file as the trainer held it before it wrote its hashes: with the `ss_` metadata alone.

    Source: sd-scripts, `precalculate_safetensors_hashes`. Old safetensors did not pad the header to eight bytes, so
    there are two answers; none where the stretch would begin inside that header.
    """
    document: dict[str, object] = {
        "__metadata__": {key: value for key, value in header.metadata.items() if key.startswith("ss_")}
    }
    for name, info in header.tensors.items():
        document[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": [info.start, info.end]}
    length = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
    starts = [AUTOV1_START - 8 - padded for padded in (length + -length % 8, length)]
    with path.open("rb") as file:
        return tuple(_stretch_hash(file, header.data_start + start) for start in starts if start >= 0)


def _stretch_hash(file: BinaryIO, start: int) -> str:
    file.seek(start)
    return hashlib.sha256(file.read(AUTOV1_END - AUTOV1_START)).hexdigest()[:8]


def _chunks(path: Path) -> Iterator[memoryview]:
    """The file's content; every chunk has memory of its own, because threads still read the one before."""
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            yield memoryview(data)


@dataclass
class _Work:
    """The hashes under way."""

    header: Header
    check_values: bool
    tensors: "_Tensors" = field(init=False)

    def __post_init__(self) -> None:
        self.sha256, self.after, self.autov1 = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self.blake3, self.crc32 = blake3(), 0
        self.tensors = _Tensors(self.header, self.check_values)
        self.steps = (self._whole, self._after, self._others, self._tensors)  # the longest first

    def _whole(self, chunk: memoryview, at: int) -> None:
        """SHA256 of the whole, and the short stretch that AutoV1 looks at."""
        self.sha256.update(chunk)
        if at < AUTOV1_END and at + len(chunk) > AUTOV1_START:
            self.autov1.update(chunk[max(0, AUTOV1_START - at) : AUTOV1_END - at])

    def _after(self, chunk: memoryview, at: int) -> None:
        """SHA256 of what follows the header."""
        self.after.update(chunk[max(0, self.header.data_start - at) :] if at < self.header.data_start else chunk)

    def _others(self, chunk: memoryview, at: int) -> None:
        self.blake3.update(chunk)
        self.crc32 = zlib.crc32(chunk, self.crc32)

    def _tensors(self, chunk: memoryview, at: int) -> None:
        self.tensors.update(chunk, at)

    def result(self, size: int) -> FileHashes:
        sha256 = self.sha256.hexdigest()
        return FileHashes(
            size=size,
            sha256=sha256,
            autov1=self.autov1.hexdigest()[:8] if size >= 2 * 1024 * 1024 else None,
            autov2=sha256[:10],
            autov3=self.after.hexdigest(),
            blake3=self.blake3.hexdigest(),
            crc32=f"{self.crc32:08x}",
            tensors_digest=self.tensors.digest(),
            nonfinite_tensors=tuple(self.tensors.nonfinite),
        )


class _Tensors:
    """A digest of the tensors alone: the same under any names, order and metadata.

    It is the SHA256 over the sorted (number format, shape, BLAKE3 of the bytes) of all tensors.
    """

    def __init__(self, header: Header, check_values: bool) -> None:
        self._waiting = sorted(header.tensors.items(), key=lambda item: item[1].start, reverse=True)
        self._start = header.data_start
        self._check_values = check_values
        self._parts: list[str] = []
        self.nonfinite: list[str] = []
        self._begin()

    def _begin(self) -> None:
        """Get ready for the next tensor."""
        self._hash = blake3()
        self._values = FiniteCheck(self._waiting[-1][1].dtype if self._check_values and self._waiting else "")

    def update(self, chunk: memoryview, at: int) -> None:
        """Feed the stretch of each tensor that lies in the chunk; `at` is the chunk's place in the file."""
        while self._waiting:
            name, info = self._waiting[-1]
            start, end = self._start + info.start - at, self._start + info.end - at
            if start >= len(chunk):
                return
            stretch = chunk[max(0, start) : end]
            self._hash.update(stretch)
            self._values.update(stretch)
            if end > len(chunk):
                return
            self._parts.append(f"{info.dtype} {'x'.join(map(str, info.shape))} {self._hash.hexdigest()}")
            if not self._values.finite:
                self.nonfinite.append(name)
            self._waiting.pop()
            self._begin()

    def digest(self) -> str:
        return hashlib.sha256("\n".join(sorted(self._parts)).encode()).hexdigest()
