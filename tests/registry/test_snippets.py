"""The snippets of the adapter page are run as they stand there, with the file lying beside and the local base."""

import ast
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.models import BaseModel, Version
from registry.snippets import usage_snippets
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted, make_version

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
BASE, STARTER = ROOT / "inference" / "tinybase", ROOT / "registry" / "starter"
ENTRIES = {entry["file"]: entry for entry in tomllib.loads((STARTER / "starter.toml").read_text())["adapter"]}
DIFFUSERS = ["outlined.safetensors", "striped.safetensors", "mushroom.safetensors", "first-aid.safetensors"]


def _version(filename: str) -> Version:
    entry = ENTRIES[filename]
    declared = {
        "trigger_words": tuple(entry["trigger_words"]),
        "preview_prompts": tuple(entry["preview_prompts"]),
        "strength": entry.get("strength", 1.0),
    }
    content = (STARTER / "adapters" / filename).read_bytes()
    return make_version(actor=make_user("ada"), content=content, filename=filename, declared=declared)


def _run(code: str, folder: Path, filename: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Execute a snippet in a folder that holds the file."""
    import torch

    torch.set_num_threads(1)
    shutil.copy(STARTER / "adapters" / filename, folder)
    monkeypatch.chdir(folder)
    assert '"inference/tinybase"' in code
    names: dict[str, Any] = {}
    exec(compile(code.replace('"inference/tinybase"', repr(str(BASE))), "snippet", "exec"), names)
    return names


def _picture(pipe: Any, prompt: str) -> np.ndarray:
    import torch

    noise = torch.Generator().manual_seed(5)
    return np.asarray(pipe(prompt, num_inference_steps=10, generator=noise).images[0]).astype(int)


def _by_engine(version: Version, filename: str, prompt: str) -> np.ndarray:
    from inference.engine import BaseSpec, applied, load_base, read_adapter

    pipe = load_base(BaseSpec(family="tinybase", location=str(BASE)))
    with applied(pipe, read_adapter(STARTER / "adapters" / filename), weight=version.strength):
        return _picture(pipe, prompt)


@pytest.mark.slow
@pytest.mark.parametrize("filename", DIFFUSERS)
def test_diffusers_snippet_gives_the_picture_of_the_engine(
    filename: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _version(filename)
    snippet = usage_snippets(version=version, filename=filename, site="https://example.org")[0]
    assert "inference.engine" not in snippet.code
    names = _run(snippet.code, tmp_path, filename, monkeypatch)
    assert names["image"].size == (64, 64)
    prompt = "<first-aid>" if version.kind == "textual-inversion" else version.preview_prompts[0]
    # Not the snippet's own picture: loading into diffusers draws random numbers, so the noise would be another.
    difference = np.abs(_picture(names["pipe"], prompt) - _by_engine(version, filename, prompt))
    assert difference.mean() < 0.1, "the order of sums in float32 shows in single pixels at most"


@pytest.mark.slow
@pytest.mark.parametrize("filename", sorted(ENTRIES.keys() - set(DIFFUSERS)))
def test_engine_snippet_runs_for_every_other_kind(
    filename: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _version(filename)
    snippet = usage_snippets(version=version, filename=filename, site="https://example.org")[0]
    assert snippet.note.startswith(f"diffusers does not load {version.kind} files by itself.")
    names = _run(snippet.code, tmp_path, filename, monkeypatch)
    bare = _picture(names["pipe"], version.preview_prompts[0])
    assert (bare != _by_engine(version, filename, version.preview_prompts[0])).any()
    assert names["image"].size == (64, 64)


def _snippets(**changes: Any) -> dict[str, Any]:
    version = make_submitted(actor=make_user("ada"))
    for name, value in {"kind": "lora", **changes}.items():
        setattr(version, name, value)
    found = usage_snippets(version=version, filename="style.v1.safetensors", site="https://example.org")
    assert [snippet.tool for snippet in found] == ["diffusers", "A1111", "ComfyUI"]
    return {snippet.tool: snippet for snippet in found}


def test_lora_is_named_by_its_stem_and_strength() -> None:
    found = _snippets(strength=0.75, trigger_words=["zwx", "glow"])
    assert found["A1111"].code == "<lora:style.v1:0.75>, zwx, glow"
    assert "strength_model: 0.75" in found["ComfyUI"].code
    assert "adapter_weights=[0.75]" in found["diffusers"].code
    assert 'pipe("zwx, glow")' in found["diffusers"].code


def test_embedding_is_called_by_its_file_name_or_token() -> None:
    found = _snippets(kind="textual-inversion", trigger_words=["<cat>"])
    assert found["A1111"].code == "style.v1"
    assert found["ComfyUI"].code == "embedding:style.v1"
    assert 'token="<cat>"' in found["diffusers"].code


@pytest.mark.parametrize("word", ['say "hi"', "a\\", '"); import os  #', "two\nlines", "{version}", "“ü”"])
@pytest.mark.parametrize("kind", ["lora", "dora", "textual-inversion"])
def test_words_stay_words_in_the_program(kind: str, word: str) -> None:
    version = Version(kind=kind, trigger_words=[word], preview_prompts=[word], strength=1.0)
    version.base_model = BaseModel(slug="tinybase", family="tinybase")
    program = ast.parse(usage_snippets(version=version, filename=f"{word}.safetensors", site="")[0].code)
    constants = {node.value for node in ast.walk(program) if isinstance(node, ast.Constant)}
    assert {word, f"{word}.safetensors"} <= constants
    assert "os" not in {name.name for node in ast.walk(program) if isinstance(node, ast.Import) for name in node.names}


def test_large_bases_are_loaded_in_half_precision() -> None:
    version = Version(kind="lora", trigger_words=["zwx"], strength=0.8)
    version.base_model = BaseModel(slug="sdxl-1-0", family="sdxl", weights_source="stabilityai/sdxl")
    code = usage_snippets(version=version, filename="a.safetensors", site="")[0].code
    assert 'from_pretrained("stabilityai/sdxl", dtype=torch.bfloat16)' in code
