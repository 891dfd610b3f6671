"""The safetensors header, read strictly: everything the format's own library rejects, and all that it lets through.

The tensors themselves are never touched; the cost depends on the header, not on the file.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from string import ascii_letters, digits
from typing import NoReturn

import msgspec

from registry.artifacts.errors import refuse, shown
from registry.artifacts.tensors import TensorInfo, all_sound, check_layout, scalar, tensor_info

MAX_HEADER = 16 * 1024 * 1024  # bytes; the largest adapters of the field have headers below 1 MiB
MAX_TENSORS = 20_000
MAX_METADATA = 8 * 1024 * 1024  # bytes of all keys and values
MAX_KEY = 512  # characters
MAX_VALUES = 1_000_000  # commas and brackets: seven times what MAX_TENSORS need, and text has some of its own
MAX_DIGITS = 20  # of a number; 64 bits have no more
PLAIN = (ascii_letters + digits + "_.-<>:/ ").encode()  # what nearly all names are made of
ONE = {(), (1,)}  # shapes of a single number, told without multiplying
METADATA = "__metadata__"
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_METADATA = msgspec.json.Decoder(dict[str, str])
_TENSOR = msgspec.json.Decoder(TensorInfo)
_Content = tuple[dict[str, TensorInfo], dict[str, str]]
_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))


@dataclass(frozen=True)
class Header:
    """The parsed header: tensors by name in file order, the metadata, and where the tensor bytes start."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    data_start: int
    data_bytes: int


def read_header(path: Path) -> Header:
    """Parse and check the header of a safetensors file; raises ArtifactRefused with a code for each defect."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = _length(file.read(8), size)
        raw = file.read(length)
    _check_bytes(raw)
    tensors, metadata = _read_plain(raw) or _read_strictly(raw)
    check_layout(tensors, size - 8 - length)
    return Header(tensors, metadata, 8 + length, size - 8 - length)


def _read_plain(raw: bytes) -> _Content | None:
    """What the header says, if it is sound and written as the format's own library writes it, else None.

    Where writing again what was read gives the same bytes, no key is repeated, no number is cut short, and no text is
    spelt in a second way: no two programs can see two files. It takes a fifth of the time of looking at every object.
    """
    try:
        parts = _PARTS.decode(raw)
        head = {METADATA: _METADATA.decode(parts.pop(METADATA))} if METADATA in parts else {}
        tensors = dict(zip(parts, map(_TENSOR.decode, parts.values()), strict=True))
        same = msgspec.json.encode(head | tensors) == raw.rstrip(b" ")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # the strict reader says what is wrong
    plain = same and 0 < len(tensors) <= MAX_TENSORS and len(raw) <= MAX_METADATA
    return (tensors, head.get(METADATA, {})) if plain and _all_sound(tensors) else None


def _all_sound(tensors: Mapping[str, TensorInfo]) -> bool:
    names = "".join(tensors)
    plain = names.isascii() and not names.encode().translate(None, PLAIN) and ".." not in names
    return plain and "" not in tensors and max(map(len, tensors)) <= MAX_KEY and all_sound(tensors.values())


def _read_strictly(raw: bytes) -> _Content:
    """What the header says, with each part looked at by itself; raises ArtifactRefused for the first defect."""
    document = _parse(raw)
    metadata = _metadata(document.pop(METADATA, None))
    if len(document) > MAX_TENSORS:
        refuse(
            "too-many-tensors",
            f"The file declares {len(document):,} tensors.",
            f"No adapter has more than {MAX_TENSORS:,}; files built this way make programs hang while loading.",
            "Upload the adapter itself.",
        )
    if not document:
        refuse(
            "no-tensors",
            "The file holds no tensors.",
            "Programs would load it without an error, and it would change nothing.",
            "Upload the trained file; the export may have failed.",
        )
    return {_name(name): tensor_info(name, entry) for name, entry in document.items()}, metadata


def _length(first: bytes, size: int) -> int:
    if size == 0:
        refuse(
            "empty-file",
            "The file is empty.",
            "It has no bytes at all.",
            "Upload it again; the transfer may have failed.",
        )
    if len(first) < 8:
        refuse(
            "header-too-small",
            f"The file is only {size} bytes long.",
            "A safetensors file starts with 8 bytes that give the length of its header.",
        )
    length = int.from_bytes(first, "little")
    if length == 0:
        refuse("header-empty", "The header has no content.", "Its declared length is 0 bytes.")
    if length > size - 8:
        refuse(
            "header-truncated",
            "The file ends before its header does.",
            f"The header should be {length:,} bytes long, but only {size - 8:,} bytes follow.",
            "Upload it again; the file was cut off, or it is no safetensors file.",
        )
    if length > MAX_HEADER:
        refuse(
            "header-too-large",
            f"The header is {length:,} bytes long.",
            f"More than {MAX_HEADER:,} bytes is never needed and is used to exhaust memory.",
        )
    return length


def _check_bytes(raw: bytes) -> None:
    """Refuse what is no header of this format at a glance, and what would do harm to a parser."""
    if raw.endswith(b"\0"):
        refuse(
            "header-trailing-nul",
            "The header ends in NUL bytes.",
            "The format pads headers with spaces; other padding hides data.",
        )
    if raw[:1] in b" \t\r\n":
        refuse(
            "header-leading-space",
            "The header starts with white space.",
            "The format demands “{” as its first byte, so that files are recognised.",
        )
    if len(raw) > MAX_VALUES and raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MAX_VALUES:
        refuse(
            "header-too-many-values",
            "The header holds too many values.",
            f"More than {MAX_VALUES:,} commas and brackets take much memory to read and describe no adapter.",
            "Upload the adapter itself.",
        )


def _parse(raw: bytes) -> dict[str, object]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse("header-not-utf8", "The header is not UTF-8 text.", f"Byte {error.start} cannot be decoded.")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integers(raw))
    except json.JSONDecodeError as error:
        refuse("header-not-json", "The header is not valid JSON.", f"{error.msg} at character {error.pos}.")
    except RecursionError:
        refuse(
            "header-too-deep",
            "The header is nested too deeply.",
            "A header has three levels; deep nesting is used to crash parsers.",
        )
    if not isinstance(document, dict):
        refuse(
            "header-not-object",
            "The header is not a JSON object.",
            "It must map tensor names to their descriptions.",
        )
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object; a repeated key would let two programs see two different files."""
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        why = "Programs disagree on which of the two counts, so nobody can say what was uploaded."
        if repeated == METADATA:
            refuse("duplicate-metadata-block", "The header has two metadata blocks.", why)
        refuse("duplicate-key", f"The header holds the key {shown(repeated)} twice.", why)
    return found


def _no_constant(name: str) -> NoReturn:
    refuse("header-not-json", "The header is not valid JSON.", f"It holds {name}, which JSON does not know.")


def _integers(raw: bytes) -> Callable[[str], int] | None:
    """How to read whole numbers: with a look at their length only where the header has so many digits in a row."""
    return _integer if b"0" * MAX_DIGITS in raw.translate(_DIGITS) else None


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        refuse(
            "header-number-too-large",
            "The header holds a number that is too large.",
            f"It has {len(digits)} digits; sizes fit into 64 bits.",
        )
    return int(digits)


def _metadata(block: object) -> dict[str, str]:
    if block is None:
        return {}
    if not isinstance(block, dict):
        refuse(
            "metadata-not-object",
            "The metadata is not a JSON object.",
            "`__metadata__` must map names to text.",
        )
    total = 0
    for key, value in block.items():
        if not isinstance(value, str):
            refuse(
                "metadata-not-string",
                f"The metadata value of {shown(key)} is not text.",
                "The format allows only text there; other values make loaders fail.",
            )
        if _has_half_characters(key) or _has_half_characters(value):
            refuse(
                "metadata-not-unicode",
                f"The metadata entry {shown(key)} holds half of a character.",
                "A lone surrogate escape (\\ud800 to \\udfff) is no text, and other programs cannot open such a file.",
            )
        total += len(key) + len(value)
    if total > MAX_METADATA:
        refuse(
            "metadata-too-large",
            f"The metadata is {total:,} characters long.",
            f"More than {MAX_METADATA:,} slow down every program that lists the file.",
            "Remove large values, such as embedded pictures, and save the file again.",
        )
    return block


def _has_half_characters(text: str) -> bool:
    """Whether the text holds a surrogate without its other half, which JSON escapes can write and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _name(name: str) -> str:
    if len(name) > MAX_KEY:
        refuse(
            "key-too-long",
            f"A tensor name is {len(name):,} characters long.",
            f"Names have at most {MAX_KEY} characters.",
        )
    if not name or not name.isprintable() or (".." in name and "/../" in f"/{name}/") or "\\" in name:
        refuse(
            "key-characters",
            f"The tensor name {shown(name)} holds characters that no module has.",
            "Control characters, “../” and backslashes are used to trick programs that write tensors to files.",
        )
    return name


def read_scalar(handle: int, header: Header, name: str) -> float | None:
    """The value of a one-element tensor (an alpha), read from its own bytes only; `handle` is the open file's.

    None where the number format is none of the common ones, NaN where the tensor has more elements. Mapping the file
    into memory takes longer: of each tensor's page only a few bytes are read.
    """
    info = header.tensors[name]
    if info.shape not in ONE and info.elements != 1:
        return nan
    start, end = info.data_offsets
    return scalar(info.dtype, os.pread(handle, end - start, header.data_start + start))
