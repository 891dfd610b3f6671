"""Damaged files: whatever the bytes are, reading gives an adapter or says why not, and nothing else."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from inference.engine import EngineError, read_adapter
from inference.engine.checkpoints.tensors import TensorStore
from inference.engine.files import AdapterFile
from inference.engine.reading import interpret
from registry.artifacts.keys import SLOTS
from tests.inference.engine.made import SD_LAYERS, unet_file

_FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def _sound() -> bytes:
    return save(dict(unet_file({path: 2 for path in SD_LAYERS}, 1).tensors))


def _refusal(read: Callable[[Any], object], source: Any) -> EngineError | None:
    """What reading says; any other exception fails the test."""
    try:
        read(source)
    except EngineError as error:
        return error
    return None


@_FUZZ
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 400))
def test_changed_bytes_and_cut_ends(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(_sound())
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(bytes(content[: len(content) - cut]))
    for read in (read_adapter, TensorStore):
        error = _refusal(read, path)
        assert error is None or (error.what and error.why and error.remedy)


_SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)
_NAMES = st.sampled_from(["lora_unet_x", "unet.a.b", "transformer.c", "lora_te_y"])
_TYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.float8_e4m3fn])


@_FUZZ
@given(
    st.dictionaries(st.tuples(_NAMES, st.sampled_from(sorted(SLOTS))), st.tuples(_SHAPES, _TYPES), max_size=8),
    st.dictionaries(st.sampled_from(["lora_adapter_metadata", "token", "ss_v2"]), st.text(max_size=20)),
)
def test_any_tensors_under_any_suffix(
    entries: dict[tuple[str, str], tuple[tuple[int, ...], torch.dtype]], metadata: dict[str, str]
) -> None:
    tensors = {f"{name}.{suffix}": torch.ones(shape).to(dtype) for (name, suffix), (shape, dtype) in entries.items()}
    if _refusal(interpret, AdapterFile(tensors, metadata)) is not None:
        return
    adapter = interpret(AdapterFile(tensors, metadata))
    assert adapter.deltas or adapter.embeddings
    for delta in adapter.deltas:
        assert delta.factor.shape_text()
        delta.fits(torch.Size([4, 4]))
        delta.fits(torch.Size([4, 4, 3, 3]))


@pytest.mark.parametrize("value", ['{"unet.lora_alpha": "x"}', '{"unet.r": 0, "unet.lora_alpha": 3}', '{"unet": 3}'])
def test_configuration_without_sense_is_refused_or_ignored(value: str) -> None:
    tensors = {
        f"unet.{SD_LAYERS[0]}.lora_A.weight": torch.ones(2, 24),
        f"unet.{SD_LAYERS[0]}.lora_B.weight": torch.ones(32, 2),
    }
    error = _refusal(interpret, AdapterFile(tensors, {"lora_adapter_metadata": value}))
    assert error is None or error.remedy
