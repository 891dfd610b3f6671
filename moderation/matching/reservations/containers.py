"""The metadata blocks of a picture file, without decoding the picture: JPEG, PNG, WebP and TIFF (and so EXIF).

Everything is bounded and nothing is trusted: `Broken` says what does not fit. Formats: ITU T.81 and Adobe's XMP part 3
(JPEG), W3C PNG, Google's WebP container, TIFF 6.0, IPTC-IIM 4.2.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAX_BLOCKS = 20_000
MAX_TEXT = 16 * 1024 * 1024  # bytes of one text, unpacked
MAX_TOTAL = 128 * 1024 * 1024  # bytes of all metadata


class Block(NamedTuple):
    """One piece of metadata: its sort (xmp, exif, iptc, text), where it stands, and its bytes."""

    sort: str
    where: str
    data: bytes


class Broken(ValueError):
    """The file does not follow its format."""


def kind_of(data: bytes) -> str | None:
    """The media type by the first bytes, or None."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return "image/tiff"
    return None


def blocks(data: bytes, kind: str) -> Iterator[Block]:
    """All metadata blocks; raises Broken, after giving those before the place that is broken."""
    readers = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp, "image/tiff": _tiff}
    return _bounded(readers[kind](data))


def _bounded(found: Iterator[Block]) -> Iterator[Block]:
    total = 0
    for number, block in enumerate(found):
        total += len(block.data)
        if number >= MAX_BLOCKS or total > MAX_TOTAL:
            raise Broken("it has more metadata than any picture needs")
        yield block


_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"


def _jpeg(data: bytes) -> Iterator[Block]:
    at, extended = 2, dict[bytes, dict[int, bytes]]()
    while True:
        marker, at = _marker(data, at)
        if marker in {0xD9, 0xDA}:  # end, or the picture itself
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise Broken("a JPEG segment is longer than the file")
        body, at = data[at + 2 : at + length], at + length
        if marker == 0xE1 and body.startswith(_MORE_XMP):
            guid = body[len(_MORE_XMP) : len(_MORE_XMP) + 32]
            place = int.from_bytes(body[len(_MORE_XMP) + 36 : len(_MORE_XMP) + 40], "big")
            extended.setdefault(guid, {})[place] = body[len(_MORE_XMP) + 40 :]
        else:
            yield from _jpeg_segment(marker, body)
    for parts in extended.values():
        yield Block("xmp", "extended XMP", b"".join(parts[place] for place in sorted(parts)))


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The next marker, and where its segment starts."""
    if data[at : at + 1] != b"\xff":
        raise Broken("a JPEG segment does not start with a marker")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise Broken("the JPEG ends before its picture")
    return data[at], at + 1


def _jpeg_segment(marker: int, body: bytes) -> Iterator[Block]:
    if marker == 0xE1 and body.startswith(_XMP):
        yield Block("xmp", "XMP", body[len(_XMP) :])
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        yield Block("exif", "EXIF", body[6:])
    elif marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
        yield from _photoshop(body[14:])
    elif marker == 0xFE:
        yield Block("text", "JPEG comment", body)


def _photoshop(data: bytes) -> Iterator[Block]:
    """Image resources: `8BIM`, number, padded name, length, padded data; 0x0404 is IPTC-IIM, 0x0424 XMP."""
    at = 0
    while data[at : at + 4] == b"8BIM":
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name = data[at + 6] if at + 6 < len(data) else 0
        at += 6 + name + 1 + (name + 1) % 2
        length = int.from_bytes(data[at : at + 4], "big")
        body, at = data[at + 4 : at + 4 + length], at + 4 + length + length % 2
        if len(body) != length:
            raise Broken("a Photoshop resource is cut off")
        if number == 0x0404:
            yield Block("iptc", "IPTC", body)
        elif number == 0x0424:
            yield Block("xmp", "XMP", body)


def _png(data: bytes) -> Iterator[Block]:
    at = 8
    while at < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, at = data[at + 8 : at + 8 + length], at + 12 + length
        if len(body) != length or len(name) != 4:
            raise Broken("a PNG chunk is longer than the file")
        if name == b"eXIf":
            yield Block("exif", "EXIF", body)
        elif name in {b"tEXt", b"zTXt", b"iTXt"}:
            yield from _png_text(name, body)
        elif name == b"IEND":
            return
    raise Broken("the PNG has no end")


def _png_text(name: bytes, body: bytes) -> Iterator[Block]:
    keyword, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        rest = _unpacked(rest[1:])
    elif name == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.partition(b"\0")[2].partition(b"\0")[2]  # without language and translated keyword
        rest = _unpacked(rest) if packed else rest
    label = keyword[:79].decode("latin-1")
    if label == "XML:com.adobe.xmp":
        yield Block("xmp", "XMP", rest)
    elif label.startswith("Raw profile type "):
        yield from _raw_profile(label.removeprefix("Raw profile type "), rest)
    else:
        yield Block("text", f"PNG text “{label}”", rest)


def _raw_profile(sort: str, text: bytes) -> Iterator[Block]:
    """ImageMagick's way to keep EXIF, IPTC and XMP in a PNG: name, length, and hexadecimal digits."""
    lines = text.strip().split(b"\n", 2)
    try:
        body = bytes.fromhex(lines[2].decode("ascii"))
    except (ValueError, IndexError) as error:
        raise Broken("a raw profile of the PNG is not hexadecimal") from error
    if body.startswith(_XMP):
        yield Block("xmp", "XMP", body[len(_XMP) :])
    elif sort in {"exif", "APP1"}:
        yield Block("exif", "EXIF", body.removeprefix(b"Exif\0\0"))
    elif sort == "iptc":
        inner = body.removeprefix(b"Photoshop 3.0\0")
        yield from _photoshop(inner) if inner.startswith(b"8BIM") else iter([Block("iptc", "IPTC", body)])
    elif sort == "xmp":
        yield Block("xmp", "XMP", body)


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, MAX_TEXT)
    except zlib.error as error:
        raise Broken(f"a compressed text of the PNG cannot be unpacked ({error})") from error
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise Broken("a compressed text of the PNG is cut off, or larger than any metadata")
    return text


def _webp(data: bytes) -> Iterator[Block]:
    end, at = 8 + int.from_bytes(data[4:8], "little"), 12
    if end > len(data) + 1:
        raise Broken("the WebP is cut off")
    while at + 8 <= min(end, len(data)):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body, at = data[at + 8 : at + 8 + length], at + 8 + length + length % 2
        if len(body) != length:
            raise Broken("a WebP chunk is longer than the file")
        if name == b"XMP ":
            yield Block("xmp", "XMP", body)
        elif name == b"EXIF":
            yield Block("exif", "EXIF", body.removeprefix(b"Exif\0\0"))


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TEXTS = {
    270: "description",
    305: "software",
    315: "artist",
    33432: "copyright",
    37510: "user comment",
    40091: "title",
    40092: "comment",
    40093: "author",
    40094: "keywords",
    40095: "subject",
}
_DEEPER = frozenset({34665, 34853, 330})  # EXIF, GPS and sub-directories
MAX_DIRECTORIES = 64
MAX_ENTRIES = 4096


def _tiff(data: bytes) -> Iterator[Block]:
    return _directories(data, "TIFF")


def exif_blocks(data: bytes) -> Iterator[Block]:
    """The texts, XMP and IPTC of an EXIF block; raises Broken."""
    return _bounded(_directories(data, "EXIF"))


def _directories(data: bytes, name: str) -> Iterator[Block]:
    """The known values of a TIFF structure, which is also what EXIF is."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Broken(f"the {name} data do not start as they must")
    waiting, seen = [_number(data, 4, order)], set[int]()
    while waiting:
        place = waiting.pop()
        if place == 0 or place in seen:
            continue
        if len(seen) >= MAX_DIRECTORIES:
            raise Broken(f"the {name} data have too many directories")
        seen.add(place)
        count = int.from_bytes(data[place : place + 2], "little" if order == "<" else "big")
        if place + 2 + 12 * count > len(data) or count > MAX_ENTRIES:
            raise Broken(f"a directory of the {name} data is cut off")
        for at in range(place + 2, place + 2 + 12 * count, 12):
            tag, body, width = _entry(data, at, order, name)
            if tag in _DEEPER:
                waiting += [int.from_bytes(body[n : n + width], "little" if order == "<" else "big")
                            for n in range(0, min(len(body), 64), width)]  # fmt: skip
            else:
                yield from _tag(tag, body, name)
        following = place + 2 + 12 * count
        if following + 4 <= len(data):
            waiting.append(_number(data, following, order))


def _number(data: bytes, at: int, order: str) -> int:
    if at + 4 > len(data):
        raise Broken("an offset is cut off")
    return int(struct.unpack_from(f"{order}I", data, at)[0])


def _entry(data: bytes, at: int, order: str, name: str) -> tuple[int, bytes, int]:
    """(tag, bytes of its value, size of one number) of a directory entry."""
    tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
    width = _SIZES.get(kind, 1)
    size = width * count
    start = at + 8 if size <= 4 else _number(data, at + 8, order)
    known = tag in _TEXTS or tag in _DEEPER or tag in {700, 33723, 34377}
    if known and start + size > len(data):
        raise Broken(f"a value of the {name} data lies outside of them")
    return tag, data[start : start + size] if known else b"", width


def _tag(tag: int, body: bytes, name: str) -> Iterator[Block]:
    if tag == 700:
        yield Block("xmp", f"XMP in {name}", body)
    elif tag == 33723:
        yield Block("iptc", f"IPTC in {name}", body)
    elif tag == 34377:
        yield from _photoshop(body)
    elif tag in _TEXTS:
        encoded = body.decode("utf-16-le", "replace").encode() if tag >= 40000 else _user_comment(tag, body)
        yield Block("text", f"{name} {_TEXTS[tag]}", encoded)


def _user_comment(tag: int, body: bytes) -> bytes:
    """A user comment starts with eight bytes that name its encoding."""
    if tag != 37510:
        return body
    if body.startswith(b"UNICODE\0"):
        text = body[8:]
        order = "utf-16-be" if text[:1] == b"\0" else "utf-16-le"
        return text.decode(order, "replace").encode()
    return body[8:]


def iptc_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(dataset, text) of IPTC-IIM: marker 0x1C, record, dataset, length; raises Broken."""
    at = 0
    while at < len(data) and data[at] == 0x1C:
        record, dataset = data[at + 1 : at + 2], data[at + 2 : at + 3]
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        body, at = data[at + 5 : at + 5 + length], at + 5 + length
        if length & 0x8000 or len(body) != length or not dataset:
            raise Broken("an IPTC entry is cut off")
        if record == b"\x02":
            yield f"2:{dataset[0]}", body
    if data[at:].strip(b"\0"):
        raise Broken("something that is no entry stands in the IPTC data")
