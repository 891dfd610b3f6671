"""All hashes come from one pass and equal those of the standard tools."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from safetensors.numpy import save

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
        ("F8_E8M0", b"\xff"),
        ("F8_E4M3FNUZ", b"\x80"),
        ("F8_E5M2FNUZ", b"\x80"),
        ("C64", struct.pack("<2f", 0, float("nan"))),
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


@pytest.mark.parametrize(
    ("dtype", "raw"),
    [
        ("F8_E4M3", b"\x7e"),  # 448, the largest
        ("F8_E5M2", b"\x7b"),
        ("F8_E4M3FNUZ", b"\x7f"),
        ("F8_E8M0", b"\xfe"),
        ("F16", b"\xff\x7b"),
        ("BF16", b"\x7f\x7f"),
        ("I16", b"\xff\xff"),
        ("U8", b"\xff"),
        ("I64", b"\xff" * 8),
    ],
)
def test_largest_value_of_a_format_is_finite(dtype: str, raw: bytes, tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", {"a": ()}, dtype=dtype, values={"a": raw})
    assert hash_file(path, check_values=True).nonfinite_tensors == ()


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


@pytest.mark.parametrize("key", ["sshs_model_hash", "modelspec.hash_sha256", "sshs_legacy_hash"])
def test_embedded_hash_that_is_cut_or_no_hash_not_compared(key: str, tmp_path: Path) -> None:
    marked = adapter_file(tmp_path / "y.safetensors", lora(MODULE), metadata={key: "none of them"})
    assert compare_embedded_hashes(inspect_file(marked), hash_file(marked)) == []


def _by_trainer(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """A file with the hashes that sd-scripts embeds, made in its way: first without them, then again with them."""
    training = {"ss_network_dim": "4", "ss_tag_frequency": '{"1_größe": {"ein \\"Tag\\"": 1}}', "ss_note": "a\nb"}
    first = save(tensors, training)
    start = 8 + struct.unpack("<Q", first[:8])[0]
    hashes = {
        "sshs_model_hash": hashlib.sha256(first[start:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(first[0x100000:0x110000]).hexdigest()[:8],
        "modelspec.title": "added after the hashes",
    }
    path.write_bytes(save(tensors, training | hashes))
    return path


@pytest.mark.parametrize("out", [300, 3000])  # below and above the stretch that the old hash looks at
def test_hashes_embedded_by_the_trainer_agree(out: int, tmp_path: Path) -> None:
    shapes = lora(MODULE, rank=128, into=768, out=out)
    tensors = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    right = _by_trainer(tmp_path / "a.safetensors", tensors)
    assert set(inspect_file(right).embedded_hashes) == {"sshs_model_hash", "sshs_legacy_hash"}
    assert compare_embedded_hashes(inspect_file(right), hash_file(right)) == []
    content = bytearray(right.read_bytes())
    at = min(0x100000 + 5000, len(content) - 1)
    content[at] = 2
    right.write_bytes(bytes(content))
    told = [warning.message for warning in compare_embedded_hashes(inspect_file(right), hash_file(right))]
    expected = ["sshs_model_hash", "sshs_legacy_hash"] if len(content) > 0x110000 else ["sshs_model_hash"]
    assert [key for key, message in zip(expected, told, strict=True) if key in message] == expected
