"""Xorbs and shards as a client makes them, written from the format and not with our own readers."""

import hashlib
import struct
from collections.abc import Sequence

import lz4.frame

SHARD_TAG = b"HFRepoMetaData\0" + bytes(17)
FOOTER = b"XETBLOB" + bytes(range(90))


def grouped(content: bytes) -> bytes:
    """Every fourth byte from 0, from 1, from 2, from 3."""
    return b"".join(content[plane::4] for plane in range(4))


def packed_chunk(content: bytes, scheme: int) -> bytes:
    """One chunk with its header."""
    plain = grouped(content) if scheme == 2 else content
    packed = content if scheme == 0 else lz4.frame.compress(plain)
    return b"\0" + len(packed).to_bytes(3, "little") + bytes([scheme]) + len(content).to_bytes(3, "little") + packed


def xorb_bytes(chunks: Sequence[tuple[bytes, int]], footer: bytes = FOOTER) -> bytes:
    """Chunks (content, scheme) one after the other, and the footer."""
    return b"".join(packed_chunk(content, scheme) for content, scheme in chunks) + footer


def hash_bytes(text: str) -> bytes:
    """The bytes of a hash that is written as `text`: each group of eight reversed."""
    raw = bytes.fromhex(text)
    return b"".join(raw[place : place + 8][::-1] for place in range(0, 32, 8))


def shard_bytes(
    files: Sequence[tuple[str | None, Sequence[tuple[str, int, int, int]]]], *, verified: bool = True
) -> bytes:
    """Files (SHA-256, terms (xorb, bytes, first, end)) in a shard, with what stands behind their list."""
    out = [struct.pack("<32sQQ", SHARD_TAG, 2, 200)]
    for number, (sha256, terms) in enumerate(files):
        flags = (1 << 31 if verified else 0) | (1 << 30 if sha256 else 0)
        name = hashlib.sha256(b"file %d" % number).digest()
        out.append(struct.pack("<32sIIQ", name, flags, len(terms), 0))
        out += [struct.pack("<32sIIII", hash_bytes(xorb), 0, size, first, end) for xorb, size, first, end in terms]
        out += [bytes(48) for _ in terms] if verified else []
        out += [hash_bytes(sha256) + bytes(16)] if sha256 else []
    out.append(b"\xff" * 32 + bytes(16))
    return b"".join(out) + b"what follows is the list of xorbs" * 3
