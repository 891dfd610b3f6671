"""Reading a Xet shard: which chunks of which xorbs make up a file. Pure, and without trust in a single number.

Little-endian: a header of 48 bytes; for each file `hash32, u32 flags, u32 n, u64 unused` and n terms `xorb32,
u32 flags, u32 bytes, u32 first, u32 end`; with flag bit 31 n further entries of 48 bytes, with bit 30 one of
`sha256 + 16 bytes`. A hash of 32 times 0xFF ends the list. What follows (the xorbs' own list) is not needed here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

TAG = b"HFRepoMetaData\0"
HEADER = struct.Struct("<32sQQ")
FILE = struct.Struct("<32sIIQ")
TERM = struct.Struct("<32sIIII")
ENTRY = 48  # bytes of every structure in a shard
SHA256 = 32
VERIFIED = 1 << 31
NAMED = 1 << 30  # the file's SHA-256 follows
END = b"\xff" * 32
MOST_TERMS = 1 << 16  # of one file: 2 GiB in spans of 32 KiB, where whole xorbs of 64 MB are usual
MOST_FILES = 10_000


class ShardRefused(Exception):
    """The shard cannot be read; says where it breaks off or contradicts itself."""


@dataclass(frozen=True)
class Term:
    """The chunks `first` to `end` (exclusive) of one xorb, `size` bytes once unpacked."""

    xorb: str
    size: int
    first: int
    end: int


@dataclass(frozen=True)
class ShardFile:
    """One file: its terms in order, and its SHA-256 in hexadecimal where the shard names it."""

    terms: tuple[Term, ...]
    sha256: str | None

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(term.size for term in self.terms)


def hex_of(raw: bytes) -> str:
    """A hash as the protocol writes it: each group of eight bytes is a little-endian number."""
    return b"".join(raw[place : place + 8][::-1] for place in range(0, len(raw), 8)).hex()


def shard_files(stream: IO[bytes]) -> Iterator[ShardFile]:
    """The files of a shard, read one at a time; raises ShardRefused."""
    tag, version, _footer = HEADER.unpack(_exactly(stream, HEADER.size, "the header"))
    if not tag.startswith(TAG):
        raise ShardRefused("It does not begin as a shard does.")
    if version != 2:
        raise ShardRefused(f"Its version is {version}; only 2 is read here.")
    for number in range(MOST_FILES + 1):
        raw, flags, count, _ = FILE.unpack(_exactly(stream, ENTRY, f"file {number}"))
        if raw == END:
            return
        if number == MOST_FILES:
            break
        yield _file(stream, number, flags, count)
    raise ShardRefused(f"It names more than {MOST_FILES:,} files.")


def _file(stream: IO[bytes], number: int, flags: int, count: int) -> ShardFile:
    if count > MOST_TERMS:
        raise ShardRefused(f"File {number} is said to have {count:,} terms; {MOST_TERMS:,} is the most.")
    terms = tuple(_term(stream, number) for _ in range(count))
    if flags & VERIFIED:
        for _ in range(count):
            _exactly(stream, ENTRY, f"the verification of file {number}")
    sha256 = None
    if flags & NAMED:
        sha256 = hex_of(_exactly(stream, ENTRY, f"the SHA-256 of file {number}")[:SHA256])
    return ShardFile(terms=terms, sha256=sha256)


def _term(stream: IO[bytes], number: int) -> Term:
    raw, _flags, size, first, end = TERM.unpack(_exactly(stream, ENTRY, f"a term of file {number}"))
    if first >= end:
        raise ShardRefused(f"A term of file {number} goes from chunk {first} to {end}: it holds nothing.")
    return Term(xorb=hex_of(raw), size=size, first=first, end=end)


def _exactly(stream: IO[bytes], size: int, what: str) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise ShardRefused(f"It breaks off in {what}.")
    return found
