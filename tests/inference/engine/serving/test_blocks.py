"""Files in one block of memory: the tensors that `read_file` gives, the same refusals, memory used again."""

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inference.engine.errors import AdapterError
from inference.engine.files import read_file
from inference.engine.serving import blocks
from inference.engine.serving.blocks import Blocks, read_into_block

CPU = torch.device("cpu")
TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2)


def _tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = {
        f"{number}.{dtype}": torch.randn(7, 5 + number, generator=generator).to(dtype)
        for number, dtype in enumerate(TYPES)
    }
    large = torch.randn(300, 1000, generator=generator).half()
    return {**made, "large": large, "count": torch.tensor([3]), "flag": torch.tensor(True), "alpha": torch.tensor(4.0)}


@pytest.mark.parametrize("piece", [1 << 12, 4 << 20])
def test_numbers_are_those_of_the_file(tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_PIECE", piece)
    path = tmp_path / "a.safetensors"
    save_file(_tensors(), path, {"made": "here"})
    file, block = read_into_block(path, Blocks(CPU))
    plain = read_file(path, digest=False)
    assert file.tensors.keys() == plain.tensors.keys()
    assert dict(file.metadata) == {"made": "here"}
    for name, tensor in plain.tensors.items():
        found = file.tensors[name]
        wanted = tensor.float() if tensor.is_floating_point() else tensor
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)
        assert block.holds(found) == tensor.is_floating_point()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_unusable_numbers_are_refused_by_name(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    tensors = {"fine": torch.ones(50_000, dtype=dtype), "broken": torch.ones(50_000, dtype=dtype)}
    tensors["broken"][40_000] = value
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)
    with pytest.raises(AdapterError, match="broken"):
        read_into_block(path, Blocks(CPU))


def test_opposite_infinities_and_large_sums_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"both": torch.tensor([float("inf"), -float("inf")])}, path)
    with pytest.raises(AdapterError, match="both"):
        read_into_block(path, Blocks(CPU))
    save_file({"large": torch.full((100,), 3e38)}, path)
    file, _ = read_into_block(path, Blocks(CPU))
    assert torch.equal(file.tensors["large"], torch.full((100,), 3e38))


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"PK\x03\x04 no safetensors at all"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(AdapterError):
        read_into_block(path, Blocks(CPU))


def test_cut_file_and_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(_tensors(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AdapterError):
        read_into_block(path, Blocks(CPU))
    with pytest.raises(AdapterError, match="missing"):
        read_into_block(tmp_path / "none.safetensors", Blocks(CPU))


def _address(block: Any) -> int:
    return int(block.numbers.untyped_storage().data_ptr())


def test_memory_is_used_again_only_when_nobody_holds_it() -> None:
    memory = Blocks(CPU)
    first = memory.take(10_000)
    place = _address(first)
    other = memory.take(10_000)
    assert _address(other) != place
    del first
    gc.collect()
    second = memory.take(9_000)
    assert _address(second) == place
    assert second.numbers.numel() == 9_000
    assert _address(other) != place


def test_one_block_is_kept_ready_where_there_is_room() -> None:
    memory = Blocks(CPU)
    held = memory.take(10_000)
    memory.keep_ready(room=39_999)
    assert memory.bytes == 0
    memory.keep_ready(room=40_000)
    assert memory.bytes == 40_000
    taken = memory.take(10_000)
    assert _address(taken) != _address(held)
    assert memory.bytes == 0
