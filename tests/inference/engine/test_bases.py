"""Loading base models of every shape from a local folder, and saying clearly why one cannot be had."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.engine import BaseSpec, EngineError, RenderRequest, load_base, quiet, render
from tests.inference.engine import pipelines
from tests.inference.engine.conftest import bits

SHAPES: dict[str, tuple[str, Callable[[], Any]]] = {
    "sd1": ("unet", lambda: pipelines.tiny_sd(768)),
    "sdxl": ("unet", pipelines.tiny_sdxl),
    "flux1": ("transformer", pipelines.tiny_flux),
    "sd3": ("transformer", pipelines.tiny_sd3),
}


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    quiet()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder in diffusers layout for each shape."""
    root = tmp_path_factory.mktemp("bases")
    for family, (_, build) in SHAPES.items():
        build().save_pretrained(root / family, safe_serialization=True)
    return {family: root / family for family in SHAPES}


@pytest.fixture
def sd1(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the SD 1 folder that a test may damage."""
    return Path(shutil.copytree(folders["sd1"], tmp_path / "sd1"))


def _refused(**spec: Any) -> EngineError:
    with pytest.raises(EngineError) as refused:
        load_base(BaseSpec(**{"family": "sd1", **spec}))
    assert refused.value.remedy
    return refused.value


@pytest.mark.parametrize("family", SHAPES)
def test_every_shape_loads_by_one_path_and_renders(family: str, folders: dict[str, Path]) -> None:
    pipe = load_base(BaseSpec(family=family, location=str(folders[family])))
    again = SHAPES[family][1]()
    assert bits(pipe) == bits(again)
    picture = render(pipe, RenderRequest("a red circle", steps=1, width=32, height=32))
    assert picture.size == (32, 32)


def test_shipped_base_loads() -> None:
    folder = Path(__file__).resolve().parents[3] / "inference" / "tinybase"
    pipe = load_base(BaseSpec(family="tinybase", location=str(folder), threads=1))
    assert pipe.unet.dtype == torch.float32
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("dtype", "wanted"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_number_format_is_the_one_asked_for(folders: dict[str, Path], dtype: str, wanted: torch.dtype) -> None:
    pipe = load_base(BaseSpec(family="sd1", location=str(folders["sd1"]), dtype=dtype))
    assert {pipe.unet.dtype, pipe.text_encoder.dtype, pipe.vae.dtype} == {wanted}


def test_unknown_number_format_is_refused(folders: dict[str, Path]) -> None:
    assert "'int8'" in _refused(location=str(folders["sd1"]), dtype="int8").why


def test_folder_of_one_variant_loads_without_being_told(sd1: Path) -> None:
    pipe = load_base(BaseSpec(family="sd1", location=str(sd1)))
    shutil.rmtree(sd1)
    pipe.save_pretrained(sd1, variant="fp16")
    assert (sd1 / "unet" / "diffusion_pytorch_model.fp16.safetensors").exists()
    assert bits(load_base(BaseSpec(family="sd1", location=str(sd1)))) == bits(pipe)


def test_pickled_weights_are_never_opened(sd1: Path) -> None:
    for file in sd1.rglob("*.safetensors"):
        file.with_suffix(".bin").write_bytes(b"\x80\x04cos\nsystem\n.")
        file.unlink()
    error = _refused(location=str(sd1))
    assert error.what == "The base model has no usable weights."
    assert "pickle" in error.why


def test_pickled_weights_of_one_component_are_never_opened(sd1: Path) -> None:
    (file,) = (sd1 / "unet").glob("*.safetensors")
    torch.save(pipelines.tiny_sd(768).unet.state_dict(), file.with_suffix(".bin"))
    file.unlink()
    assert _refused(location=str(sd1)).what.startswith("The base model")


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    assert _refused(location=str(tmp_path / "gone")).what == "The base model is missing."


def test_checkpoint_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    assert "no model folder in diffusers layout" in _refused(location=str(path)).why


def test_truncated_weights_are_refused(sd1: Path) -> None:
    (file,) = (sd1 / "unet").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:5000])
    assert "could not be loaded" in _refused(location=str(sd1)).what


def test_missing_component_is_refused(sd1: Path) -> None:
    shutil.rmtree(sd1 / "scheduler")
    assert "could not be loaded" in _refused(location=str(sd1)).what


def test_class_that_diffusers_does_not_have_is_refused(sd1: Path) -> None:
    index = json.loads((sd1 / "model_index.json").read_text())
    (sd1 / "model_index.json").write_text(json.dumps({**index, "_class_name": "NoSuchPipeline"}))
    assert "could not be loaded" in _refused(location=str(sd1)).what


def test_hub_id_without_a_connection_is_refused() -> None:
    error = _refused(location="nobody/nothing", local_files_only=True)
    assert "nobody/nothing" in error.what
    assert "local folder" in error.remedy


def test_other_family_than_declared_is_refused(folders: dict[str, Path]) -> None:
    error = _refused(location=str(folders["sdxl"]))
    assert "holds a sdxl model; sd1 was declared" in error.why
