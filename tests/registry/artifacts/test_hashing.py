"""All hashes come from one pass and equal those of the standard tools."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import pytest
from blake3 import blake3

from registry.artifacts import compare_embedded_hashes, hash_file, hashing, inspect_file
from tests.registry.artifacts.builders import adapter_file, lora, raw_file

MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def test_hashes_equal_standard_tools(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", lora(MODULE, into=768, out=320_000))
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    seen: list[int] = []
    hashes = hash_file(path, on_progress=seen.append)
    assert len(content) > 2 * 1024 * 1024
    assert hashes.size == len(content) == seen[-1]
    assert hashes.sha256 == hashlib.sha256(content).hexdigest()
    assert hashes.autov1 == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
    assert hashes.autov2 == hashes.sha256[:10]
    assert hashes.autov3 == hashlib.sha256(content[start:]).hexdigest()
    assert hashes.blake3 == blake3(content).hexdigest()
    assert hashes.crc32 == f"{zlib.crc32(content):08x}"


def test_autov1_absent_below_two_mebibytes(tmp_path: Path) -> None:
    assert hash_file(adapter_file(tmp_path / "x.safetensors", lora(MODULE))).autov1 is None


@pytest.mark.parametrize("chunk", [8, 24, 1 << 20])
def test_digest_of_tensors_ignores_names_order_and_metadata(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "CHUNK", chunk)
    one, two = struct.pack("<2f", 1, 2), struct.pack("<4f", 3, 4, 5, 6)
    first = adapter_file(tmp_path / "a.safetensors", {"a": (2,), "b": (4,)}, values={"a": one, "b": two})
    second = adapter_file(
        tmp_path / "b.safetensors", {"x": (4,), "y": (2,)}, values={"x": two, "y": one}, metadata={"title": "mine now"}
    )
    other = adapter_file(tmp_path / "c.safetensors", {"a": (2,), "b": (2, 2)}, values={"a": one, "b": two})
    digests = [hash_file(path).tensors_digest for path in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("dtype", "bad"),
    [
        ("F32", struct.pack("<f", float("nan"))),
        ("F32", struct.pack("<f", float("-inf"))),
        ("F16", struct.pack("<e", float("inf"))),
        ("BF16", b"\x80\x7f"),
        ("F64", struct.pack("<d", float("nan"))),
        ("F8_E4M3", b"\xff"),
        ("F8_E5M2", b"\x7c"),
    ],
)
def test_nonfinite_values_named_wherever_chunks_are_cut(
    dtype: str, bad: bytes, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "CHUNK", chunk)
    size = len(bad)
    header = {
        "fine": {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]},
        "bad": {"dtype": dtype, "shape": [5], "data_offsets": [3 * size, 8 * size]},
    }
    head = json.dumps(header)
    path = raw_file(tmp_path / "x.safetensors", head + " " * (1 - len(head) % 2), bytes(7 * size) + bad)
    assert hash_file(path, check_values=True).nonfinite_tensors == ("bad",)
    assert hash_file(path).nonfinite_tensors == ()


def test_large_finite_values_pass(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", {"a": (2,)}, values={"a": struct.pack("<2f", 3.4e38, -3.4e38)})
    assert hash_file(path, check_values=True).nonfinite_tensors == ()


def test_embedded_hash_of_other_tensors_warned(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", lora(MODULE))
    right = hash_file(path).autov3
    for embedded, expected in ((right, []), ("0x" + right.upper(), []), ("0" * 64, ["embedded-hash"])):
        marked = adapter_file(tmp_path / "y.safetensors", lora(MODULE), metadata={"sshs_model_hash": embedded})
        warnings = compare_embedded_hashes(inspect_file(marked), hash_file(marked))
        assert [warning.code for warning in warnings] == expected
