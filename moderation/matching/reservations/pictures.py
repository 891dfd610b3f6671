"""The reservations that a picture carries in its own file."""

from collections.abc import Iterator

from moderation.matching.reservations.containers import Block, Broken, blocks, exif_blocks, iptc_texts, kind_of
from moderation.matching.reservations.credentials import from_credentials
from moderation.matching.reservations.values import Reservation, from_words, unreadable
from moderation.matching.reservations.xmp import from_xmp

MAX_PICTURE = 256 * 1024 * 1024  # bytes


def from_picture(data: bytes) -> tuple[Reservation, ...]:
    """Every reservation in the metadata of a JPEG, PNG, WebP or TIFF, each once; what cannot be read is among them."""
    if len(data) > MAX_PICTURE:
        return (unreadable(f"The picture is {len(data):,} bytes large.", "file"),)
    kind = kind_of(data)
    if kind is None:
        found = [unreadable("The file is no JPEG, PNG, WebP or TIFF picture.", "file")]
        found += _loose_packets(data, set())
    else:
        found = [*from_credentials(data, kind), *_metadata(data, kind)]
    return tuple(dict.fromkeys(found))


def _metadata(data: bytes, kind: str) -> Iterator[Reservation]:
    seen: set[bytes] = set()
    try:
        for block in blocks(data, kind):
            seen.add(block.data)
            yield from _block(block)
    except Broken as error:
        yield unreadable(f"The picture's metadata cannot be read to their end: {error}.", "file")
    yield from _loose_packets(data, seen)


def _loose_packets(data: bytes, seen: set[bytes]) -> Iterator[Reservation]:
    """XMP packets where the format has none: programs search whole files for them, as the XMP standard allows."""
    at = data.find(b"<x:xmpmeta")
    while at >= 0 and (close := data.find(b"</x:xmpmeta", at)) >= 0:
        stop = data.find(b">", close) + 1 or len(data)
        start, end = data[at : at + 64], data[max(at, stop - 64) : stop]
        if not any(start in packet and end in packet for packet in seen):  # extended packets lie about in pieces
            yield from from_xmp(data[at:stop], "XMP")
        at = data.find(b"<x:xmpmeta", stop)


def _block(block: Block) -> Iterator[Reservation]:
    try:
        if block.sort == "xmp":
            yield from from_xmp(block.data, block.where)
        elif block.sort == "exif":
            for inner in exif_blocks(block.data):
                yield from _block(inner)
        elif block.sort == "iptc":
            for dataset, text in iptc_texts(block.data):
                yield from from_words(_text(text), f"{block.where} {dataset}")
        else:
            yield from from_words(_text(block.data), block.where)
    except Broken as error:
        yield unreadable(f"The {block.where} metadata cannot be read: {error}.", block.where)


def _text(raw: bytes) -> str:
    """Metadata are in UTF-8 or, when older, in Latin-1; marks are ASCII in both."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
