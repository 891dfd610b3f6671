"""Real files: the starter adapters are what they say they are, and stop being so when their bytes are changed."""

import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

from registry.artifacts import ArtifactRefused, compare_embedded_hashes, hash_file, inspect_file

FOLDER = Path(__file__).resolve().parents[3] / "registry" / "starter" / "adapters"
# name → kind, layout, trigger words
STARTER = {
    "outlined": ("lora", "kohya", ("outlined",)),
    "striped": ("locon", "kohya", ("striped",)),
    "glowing": ("dora", "kohya", ("zwx",)),
    "dotted": ("loha", "kohya", ("dotted",)),
    "sunset": ("lokr", "kohya", ("ohwx",)),
    "vintage": ("ia3", "kohya", ("vint",)),
    "framed": ("full", "kohya", ("quibble",)),
    "mushroom": ("locon", "diffusers", ("a sks mushroom",)),
    "first-aid": ("textual-inversion", "embedding", ("<first-aid>",)),
}


def test_every_file_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == set(STARTER)


@pytest.mark.parametrize("name", STARTER)
def test_real_file_inspected(name: str) -> None:
    path = FOLDER / f"{name}.safetensors"
    found, hashes = inspect_file(path, declared_family="tinybase"), hash_file(path, check_values=True)
    assert (found.kind, found.layout, found.trigger_words) == STARTER[name]
    assert (found.family, found.warnings) == ("tinybase", ())
    assert {"sshs_model_hash", "modelspec.hash_sha256"} <= found.embedded_hashes.keys()
    assert compare_embedded_hashes(found, hashes) == []
    assert hashes.nonfinite_tensors == ()


@pytest.mark.parametrize("name", STARTER)
def test_real_file_counted_as_the_library_counts_it(name: str) -> None:
    found = inspect_file(FOLDER / f"{name}.safetensors")
    with safe_open(FOLDER / f"{name}.safetensors", framework="numpy") as file:
        tensors = [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118 (no mapping)
    assert found.tensor_count == len(tensors)
    assert found.parameter_count == sum(tensor.size for tensor in tensors)


@pytest.mark.parametrize("name", STARTER)
def test_changed_tensor_contradicts_the_embedded_hashes(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(FOLDER / f"{name}.safetensors", tmp_path))
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x01
    path.write_bytes(bytes(content))
    warned = compare_embedded_hashes(inspect_file(path), hash_file(path))
    assert [warning.code for warning in warned] == ["embedded-hash", "embedded-hash"]


@pytest.mark.parametrize("name", STARTER)
def test_wrong_declaration_warned(name: str) -> None:
    found = inspect_file(FOLDER / f"{name}.safetensors", declared_family="sdxl")
    assert [warning.code for warning in found.warnings] == ["declared-family"]


@pytest.mark.parametrize("name", STARTER)
def test_file_cut_off_anywhere_refused(name: str, tmp_path: Path) -> None:
    content = (FOLDER / f"{name}.safetensors").read_bytes()
    for share in (0.001, 0.02, 0.5, 0.999):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ArtifactRefused) as refused:
            inspect_file(path)
        assert refused.value.code in {"header-truncated", "header-too-small", "truncated"}
