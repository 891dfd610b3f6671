"""Every malformed header has its own code, and a message that says what to do."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.artifacts import ArtifactRefused
from registry.artifacts.header import MAX_HEADER, MAX_METADATA, MAX_TENSORS, MAX_VALUES, read_header
from tests.registry.artifacts.builders import adapter_file, entry, raw_file

GOOD = entry([2], 0, 8)
Make = Callable[[Path], Path]


def _text(header: str, data: bytes = bytes(8)) -> Make:
    return lambda path: raw_file(path, header, data)


def _header(header: object, data: bytes = bytes(8)) -> Make:
    return lambda path: raw_file(path, json.dumps(header), data)


def _bytes(content: bytes) -> Make:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


A = json.dumps(GOOD)
EMPTY = json.dumps(entry([0], 0, 0), separators=(",", ":"))
CASES: dict[str, tuple[str, Make]] = {
    "empty file": ("empty-file", _bytes(b"")),
    "shorter than the length": ("header-too-small", _bytes(b"\x01\x02")),
    "header of length 0": ("header-empty", lambda p: raw_file(p, b"", b"xxxx")),
    "length beyond the file": ("header-truncated", lambda p: raw_file(p, b"{}", length=999)),
    "length above the cap": ("header-too-large", lambda p: raw_file(p, b"{" + b" " * (MAX_HEADER + 1))),
    "not UTF-8": ("header-not-utf8", lambda p: raw_file(p, b'{"\xff\xfe": 1}')),
    "not JSON": ("header-not-json", _text("{'a': 1}")),
    "NaN": ("header-not-json", _text('{"a": NaN}')),
    "huge number": ("header-number-too-large", _text('{"a": ' + "9" * 5000 + "}")),
    "nested too deep": ("header-too-deep", _text('{"a":' + "[" * 200_000 + "]" * 200_000 + "}")),
    "trailing NUL": ("header-trailing-nul", _text('{"a":' + A + "}\0\0")),
    "leading white space": ("header-leading-space", _text(' {"a":' + A + "}")),
    "array": ("header-not-object", _text("[]")),
    "no tensors": ("no-tensors", _text("{}", b"")),
    "only metadata": ("no-tensors", _text('{"__metadata__": {"a": "b"}}', b"")),
    "duplicate tensor": ("duplicate-key", _text('{"a":' + A + ',"a":' + A + "}")),
    "duplicate metadata key": ("duplicate-key", _text('{"__metadata__":{"ss_v2":"a","ss_v2":"b"},"a":' + A + "}")),
    "duplicate metadata": ("duplicate-metadata-block", _text('{"__metadata__":{},"__metadata__":{},"a":' + A + "}")),
    "metadata is a list": ("metadata-not-object", _header({"__metadata__": [], "a": GOOD})),
    "metadata value is a number": ("metadata-not-string", _header({"__metadata__": {"a": 1}, "a": GOOD})),
    "metadata too large": ("metadata-too-large", _header({"__metadata__": {"a": "x" * (MAX_METADATA + 1)}, "a": GOOD})),
    "metadata value is a list": ("metadata-not-string", _header({"__metadata__": {"a": ["b"]}, "a": GOOD})),
    "metadata value is nothing": ("metadata-not-string", _header({"__metadata__": {"a": None}, "a": GOOD})),
    "metadata holds half a character": (
        "metadata-not-unicode",
        _text('{"__metadata__":{"a":"\\ud800"},"a":' + A + "}"),
    ),
    "metadata key holds half a character": (
        "metadata-not-unicode",
        _text('{"__metadata__":{"\\udfff":"b"},"a":' + A + "}"),
    ),
    "metadata of 50 MB": ("header-too-large", _header({"__metadata__": {"a": "x" * 50_000_000}, "a": GOOD})),
    "millions of values": ("header-too-many-values", _text('{"a":[' + "1," * MAX_VALUES + "0]}")),
    "entry is a number": ("entry-not-object", _header({"a": 1})),
    "entry without offsets": ("entry-field-missing", _header({"a": {"dtype": "F32", "shape": [2]}})),
    "entry with another field": ("entry-field-extra", _header({"a": {**GOOD, "payload": "x"}})),
    "unknown dtype": ("dtype-unknown", _header({"a": entry([2], 0, 8, "F31")})),
    "dtype is a number": ("dtype-unknown", _header({"a": {**GOOD, "dtype": 32}})),
    "negative size": ("shape-negative", _header({"a": entry([-2], 0, 8)})),
    "fractional size": ("shape-not-integers", _header({"a": {**GOOD, "shape": [2.0]}})),
    "size is a truth value": ("shape-not-integers", _header({"a": {**GOOD, "shape": [True]}})),
    "shape is a number": ("shape-not-integers", _header({"a": {**GOOD, "shape": 2}})),
    "shape overflows": ("shape-overflow", _header({"a": entry([2**40, 2**40], 0, 8)})),
    "a thousand dimensions": ("too-many-dimensions", _header({"a": entry([1] * 1000, 0, 4)}, bytes(4))),
    "zero times a lot": ("zero-dimension", _header({"a": entry([0, 2**40], 0, 0)}, b"")),
    "negative offset": ("offsets-negative", _header({"a": entry([2], -8, 0)})),
    "offset is a truth value": ("offsets-not-integers", _header({"a": {**GOOD, "data_offsets": [False, 8]}})),
    "duplicate field": ("duplicate-key", _text('{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}')),
    "fractional offset": ("offsets-not-integers", _header({"a": {**GOOD, "data_offsets": [0.0, 8.0]}})),
    "three offsets": ("offsets-not-integers", _header({"a": {**GOOD, "data_offsets": [0, 8, 8]}})),
    "reversed offsets": ("offsets-reversed", _header({"a": entry([2], 8, 0)})),
    "size against dtype": ("size-mismatch", _header({"a": entry([3], 0, 8)})),
    "half a byte": ("size-mismatch", _header({"a": entry([3], 0, 1, "F4")}, bytes(1))),
    "overlap": ("overlap", _header({"a": GOOD, "b": entry([2], 4, 12)}, bytes(12))),
    "hole": ("hole", _header({"a": GOOD, "b": entry([2], 12, 20)}, bytes(20))),
    "data cut off": ("truncated", _header({"a": GOOD}, bytes(5))),
    "data behind": ("trailing-data", _header({"a": GOOD}, bytes(9))),
    "NUL in a name": ("key-characters", _header({"a\0b": GOOD})),
    "path in a name": ("key-characters", _header({"../../etc/passwd": GOOD})),
    "half a character in a name": ("key-characters", _text('{"\\ud800":' + A + "}")),
    "backslash in a name": ("key-characters", _header({"a\\b": GOOD})),
    "line feed in a name": ("key-characters", _header({"a\nb": GOOD})),
    "path inside a name": ("key-characters", _header({"a/../b": GOOD})),
    "empty name": ("key-characters", _header({"": GOOD})),
    "long name": ("key-too-long", _header({"a" * 600: GOOD})),
    "140,000 empty tensors": (
        "too-many-tensors",
        _text("{" + ",".join(f'"{n}":{EMPTY}' for n in range(140_000)) + "}", b""),
    ),
    "hole in front": ("hole", _header({"a": entry([2], 8, 16)}, bytes(16))),
    "the same place twice": ("overlap", _header({"a": GOOD, "b": GOOD})),
    "too many tensors": (
        "too-many-tensors",
        _header({f"t{n}": entry([1], 4 * n, 4 * n + 4) for n in range(MAX_TENSORS + 1)}, bytes(4 * MAX_TENSORS + 4)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_malformed_header_refused(case: str, tmp_path: Path) -> None:
    code, make = CASES[case]
    with pytest.raises(ArtifactRefused) as refused:
        read_header(make(tmp_path / "x.safetensors"))
    assert refused.value.code == code
    assert refused.value.what
    assert refused.value.why
    assert refused.value.remedy


@pytest.mark.slow
def test_every_case_has_its_own_message(tmp_path: Path) -> None:
    messages: dict[str, set[str]] = {}
    for number, (code, make) in enumerate(CASES.values()):
        with pytest.raises(ArtifactRefused) as refused:
            read_header(make(tmp_path / f"{number}.safetensors"))
        messages.setdefault(re.sub("“.*?”|[0-9,]+", "…", refused.value.what), set()).add(code)
    assert all(len(codes) == 1 for codes in messages.values()), messages


def test_sound_header_read(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", {"a": (2, 3), "b": ()}, metadata={"ss_v2": "True"}, dtype="F16")
    header = read_header(path)
    assert {name: info.shape for name, info in header.tensors.items()} == {"a": (2, 3), "b": ()}
    assert header.metadata == {"ss_v2": "True"}
    assert header.data_start % 8 == 0
    assert header.data_bytes == 14
