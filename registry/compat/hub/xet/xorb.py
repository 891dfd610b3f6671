"""Reading a xorb: packed chunks one after the other. Pure, and without trust in a single number.

Each chunk is `u8 version, u24 packed length, u8 scheme, u24 length` and its bytes, little-endian, until the end of the
file or the footer that begins with `XETBLOB`. The xorb's own hash is not checked: the SHA-256 of the whole
file is what counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from lz4.frame import LZ4FrameDecompressor

FOOTER = b"XETBLOB"
HEADER = 8
RAW, LZ4, GROUPED = 0, 1, 2
PLANES = 4
MOST_LENGTH = 1024 * 1024  # of a chunk; the protocol cuts at 128 KiB
MOST_CHUNKS = 16 * 1024  # of a xorb; the protocol packs 8,192


class XorbRefused(Exception):
    """The xorb cannot be read; says where it breaks off or contradicts itself."""


@dataclass(frozen=True)
class Chunk:
    """Where the packed bytes of a chunk lie, how they are packed, and how many they are unpacked."""

    offset: int
    packed: int
    scheme: int
    size: int


def xorb_chunks(stream: IO[bytes]) -> list[Chunk]:
    """The places of all chunks of a seekable xorb, in order; raises XorbRefused."""
    end = stream.seek(0, 2)
    stream.seek(0)
    found: list[Chunk] = []
    place = 0
    while place < end:
        header = stream.read(HEADER)
        if header.startswith(FOOTER):
            break
        chunk = _chunk(header, place)
        place = chunk.offset + chunk.packed
        if place > end:
            raise XorbRefused(f"Chunk {len(found)} breaks off: {place - end:,} bytes are missing.")
        found.append(chunk)
        if len(found) > MOST_CHUNKS:
            raise XorbRefused(f"It holds more than {MOST_CHUNKS:,} chunks.")
        stream.seek(place)
    return found


def _chunk(header: bytes, place: int) -> Chunk:
    if len(header) != HEADER:
        raise XorbRefused(f"It breaks off in the header at byte {place:,}.")
    version, scheme = header[0], header[4]
    packed, size = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
    if version != 0:
        raise XorbRefused(f"The chunk at byte {place:,} has version {version}; only 0 is read here.")
    if scheme not in {RAW, LZ4, GROUPED}:
        raise XorbRefused(f"The chunk at byte {place:,} is packed by scheme {scheme}, which is not known here.")
    if not 0 < size <= MOST_LENGTH:
        raise XorbRefused(f"The chunk at byte {place:,} is said to hold {size:,} bytes.")
    if scheme == RAW and packed != size:
        raise XorbRefused(f"The chunk at byte {place:,} is not packed, and yet its two lengths differ.")
    return Chunk(offset=place + HEADER, packed=packed, scheme=scheme, size=size)


def chunk_bytes(stream: IO[bytes], chunk: Chunk) -> bytes:
    """The content of a chunk; never more than it announced is unpacked. Raises XorbRefused."""
    stream.seek(chunk.offset)
    packed = stream.read(chunk.packed)
    if len(packed) != chunk.packed:
        raise XorbRefused(f"The chunk at byte {chunk.offset:,} breaks off.")
    content = packed if chunk.scheme == RAW else _unpacked(packed, chunk)
    if len(content) != chunk.size:
        raise XorbRefused(f"The chunk at byte {chunk.offset:,} holds other than the {chunk.size:,} bytes it announced.")
    return regrouped(content) if chunk.scheme == GROUPED else content


def _unpacked(packed: bytes, chunk: Chunk) -> bytes:
    frame = LZ4FrameDecompressor()
    try:
        content: bytes = frame.decompress(packed, max_length=chunk.size + 1)  # one more shows that it lied
    except RuntimeError as error:
        raise XorbRefused(f"The chunk at byte {chunk.offset:,} is no LZ4 frame.") from error
    if not frame.eof:
        raise XorbRefused(f"The LZ4 frame of the chunk at byte {chunk.offset:,} does not end with it.")
    return content


def regrouped(planes: bytes) -> bytes:
    """Bytes that were sorted into four planes (every fourth one from 0, 1, 2 and 3 on) in their own order again."""
    content, place = bytearray(len(planes)), 0
    for number in range(PLANES):
        share = len(range(number, len(planes), PLANES))
        content[number::PLANES] = planes[place : place + share]
        place += share
    return bytes(content)


def span(chunks: Sequence[Chunk], first: int, end: int) -> Sequence[Chunk]:
    """The chunks `first` to `end` (exclusive); raises XorbRefused where the xorb has not as many."""
    if not 0 <= first < end <= len(chunks):
        raise XorbRefused(f"Chunks {first} to {end} are asked for, and it has {len(chunks)}.")
    return chunks[first:end]
