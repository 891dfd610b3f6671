"""Tiny pipelines, shared by the engine's tests; every test must leave them as it found them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.inference.engine import pipelines

torch.set_num_threads(1)


def _untouched(pipe: Any) -> Iterator[Any]:
    before = bits(pipe)
    yield pipe
    assert bits(pipe) == before


def bits(pipe: Any) -> dict[str, bytes]:
    """Every weight and buffer of a pipeline, byte for byte."""
    components = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
    return {
        f"{name}.{key}": value.detach().numpy().tobytes()
        for name in components
        if (component := getattr(pipe, name, None)) is not None
        for key, value in component.state_dict().items()
    }


@pytest.fixture(scope="session")
def _sd() -> Any:
    return pipelines.tiny_sd()


@pytest.fixture(scope="session")
def _sdxl() -> Any:
    return pipelines.tiny_sdxl()


@pytest.fixture(scope="session")
def _flux() -> Any:
    return pipelines.tiny_flux()


@pytest.fixture(scope="session")
def _sd3() -> Any:
    return pipelines.tiny_sd3()


@pytest.fixture
def sd(_sd: Any) -> Iterator[Any]:
    yield from _untouched(_sd)


@pytest.fixture
def sdxl(_sdxl: Any) -> Iterator[Any]:
    yield from _untouched(_sdxl)


@pytest.fixture
def flux(_flux: Any) -> Iterator[Any]:
    yield from _untouched(_flux)


@pytest.fixture
def sd3(_sd3: Any) -> Iterator[Any]:
    yield from _untouched(_sd3)


Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write tensors as a safetensors file."""

    def write(
        tensors: Mapping[str, Tensor], name: str = "adapter.safetensors", metadata: dict[str, str] | None = None
    ) -> Path:
        path = tmp_path / name
        save_file({key: value.contiguous() for key, value in tensors.items()}, path, metadata)
        return path

    return write
