"""Base models on disk: merged with adapters, compared, and read again by diffusers itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from inference.engine import AdapterError, EngineError, applied
from inference.engine.algebra.truncation import Limit
from inference.engine.checkpoints.checkpoint import Checkpoint
from inference.engine.checkpoints.extracting import Wanted, extract
from inference.engine.checkpoints.merging import Ingredient, merge_into_checkpoint
from inference.engine.files import AdapterFile
from inference.engine.lineage import KEY
from inference.engine.names import Target
from inference.engine.reading import interpret
from inference.engine.strengths import Strengths
from tests.inference.engine.changes import random
from tests.inference.engine.made import (
    SD_LAYERS,
    assert_same_effect,
    base,
    effect,
    lora_slots,
    spelled,
    unet_file,
)
from tests.inference.engine.references import KINDS

COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made: dict[tuple[str, str, str], Path] = {}

    def build(family: str = "sd", dtype: torch.dtype = torch.float32, shard: str = "10GB") -> Path:
        key = (family, str(dtype), shard)
        if key not in made:
            from tests.inference.engine import pipelines

            path = tmp_path_factory.mktemp("bases") / family
            getattr(pipelines, f"tiny_{family}")().to(dtype).save_pretrained(path, max_shard_size=shard)
            made[key] = path
        return made[key]

    return build


def _weights(folder: Path) -> dict[str, Tensor]:
    return {
        f"{component}.{key}": value
        for component in COMPONENTS
        for path in sorted((folder / component).glob("*.safetensors"))
        for key, value in load_file(path).items()
    }


def _loaded(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    whole = DiffusionPipeline.from_pretrained(str(folder), dtype=dtype, local_files_only=True)
    whole.set_progress_bar_config(disable=True)
    return whole


def _state(whole: Any) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.detach().clone()
        for name in COMPONENTS
        if (part := getattr(whole, name, None)) is not None
        for key, value in part.state_dict().items()
    }


def _text_entry(family: str = "sd") -> dict[Target, dict[str, Tensor]]:
    index = base(family).index
    (target,) = index.candidates("text_encoder.text_model.encoder.layers.0.mlp.fc1")
    return {target: lora_slots(index.shape(target), 2, 40)}


def _kinds_file() -> AdapterFile:
    """Several kinds on as many layers, and a text encoder."""
    tensors = spelled(_text_entry(), "sd", "kohya")
    unet = base().index.module("unet")
    for kind, path in (("loha", SD_LAYERS[0]), ("dora", SD_LAYERS[1]), ("lokr", SD_LAYERS[2]), ("oft", SD_LAYERS[3])):
        reference = KINDS[kind](unet.get_submodule(path), seed=5)
        name = f"lora_unet_{path.replace('.', '_')}"
        tensors |= {f"{name}.{slot}": value for slot, value in reference.tensors.items()}
    return AdapterFile(tensors, {}, "kinds", "k" * 64)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shard", ["10GB", "60KB"])
def test_merged_equals_dynamic_bit_for_bit(folder: Folder, tmp_path: Path, dtype: torch.dtype, shard: str) -> None:
    source = folder("sd", dtype, shard)
    first, second = _kinds_file(), unet_file({path: 3 for path in SD_LAYERS}, 8)
    strengths = Strengths(0.8, {"text_encoder": 0.4}, {"M00": 0.5})
    ingredients = [Ingredient(first, strengths), Ingredient(second, -0.6)]
    result = merge_into_checkpoint(Checkpoint(source), ingredients, tmp_path / "merged")
    whole = _loaded(source, dtype)
    with applied(whole, interpret(first), strengths), applied(whole, interpret(second), -0.6):
        wanted = _state(whole)
    found = _state(_loaded(result.path, dtype))
    assert found.keys() == wanted.keys()
    assert [key for key in wanted if not torch.equal(found[key], wanted[key])] == []
    assert result.layers == 5
    assert result.left_out == ()


def test_merged_folder_is_complete_and_says_where_it_comes_from(folder: Folder, tmp_path: Path) -> None:
    source = folder("sd", torch.float32, "60KB")
    (source / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    try:
        result = merge_into_checkpoint(Checkpoint(source), [Ingredient(_kinds_file())], tmp_path / "merged")
    finally:
        (source / "unet" / "diffusion_pytorch_model.bin").unlink()
    names = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in (source, result.path)]
    assert names[0] == names[1]
    for path in result.path.rglob("unet/*.safetensors"):
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()[KEY])
            assert file.metadata()["format"] == "pt"
        assert record["operation"] == "merge-into-checkpoint"
        assert {"name": "kinds", "sha256": "k" * 64} in record["parents"]
    changed = {name.split("/")[0] for name in result.digests}
    assert changed == {"unet", "text_encoder"}


def test_fused_adapter_in_a_split_checkpoint_equals_dynamic(folder: Folder, tmp_path: Path) -> None:
    source = folder("flux", torch.float32, "40KB")
    index = base("flux").index
    names = (
        "diffusion_model.double_blocks.0.img_attn.qkv",
        "diffusion_model.single_blocks.1.linear1",
        "diffusion_model.final_layer.adaLN_modulation.1",
    )
    targets = [index.candidates(name)[0] for name in names]
    entries: dict[Target, dict[str, Tensor]] = {
        target: lora_slots(index.shape(target), 2, place) for place, target in enumerate(targets)
    }
    rows = index.shape(targets[0])[0]
    entries[targets[0]]["dora_scale"] = 1 + random(rows, 1).abs()
    entries[targets[2]]["diff_b"] = random(index.shape(targets[2])[0])
    file = AdapterFile(spelled(entries, "flux", "comfyui"), {})
    result = merge_into_checkpoint(Checkpoint(source), [Ingredient(file, 0.7)], tmp_path / "merged")
    whole = _loaded(source)
    with applied(whole, interpret(file), 0.7):
        wanted = _state(whole)
    found = _state(_loaded(result.path))
    assert [key for key in wanted if not torch.equal(found[key], wanted[key])] == []


def _as_original(family: str, component: str = "transformer") -> dict[str, Tensor]:
    """The denoiser in the layout it was published in, from the engine's own names (held against diffusers' converters
    in test_names)."""
    index = base(family).index
    module = index.module(component)
    tensors = {}
    for name, target in index.originals(component).values():
        layers = index.layers(target)
        if name.startswith("processor") or ".processor." in name:
            continue
        for parameter in ("weight", "bias"):
            parts = [getattr(layer, parameter, None) for layer in layers]
            if any(part is None for part in parts):
                continue
            whole = torch.cat([part.detach() for part in parts])
            if target.swapped:
                whole = torch.cat(tuple(reversed(whole.chunk(2))))
            tensors[f"model.diffusion_model.{name}.{parameter}"] = whole.contiguous()
    assert len(tensors) > 20
    del module
    return tensors


@pytest.mark.parametrize(("family", "component"), [("flux", "transformer"), ("sd3", "transformer"), ("sdxl", "unet")])
def test_single_file_in_its_own_layout_is_merged(folder: Folder, tmp_path: Path, family: str, component: str) -> None:
    source = folder(family)
    save_file(_as_original(family, component), tmp_path / "model.safetensors", {"modelspec.title": "it"})
    index = base(family).index
    singles = [target for target in _single_targets(family, component)][:8]
    entries = {target: lora_slots(index.shape(target), 2, place) for place, target in enumerate(singles)}
    file = AdapterFile(spelled(entries, family, "diffusers"), {})
    checkpoint = Checkpoint(tmp_path / "model.safetensors", source)
    result = merge_into_checkpoint(checkpoint, [Ingredient(file)], tmp_path / "merged.safetensors")
    before, after = load_file(tmp_path / "model.safetensors"), load_file(result.path)
    assert before.keys() == after.keys()
    wanted = effect(file, family)
    found: dict[str, Tensor] = {}
    merged = Checkpoint(result.path, source)
    for key in wanted:
        component_name, _, path = key.removesuffix(".weight").partition(".")
        found[key] = (merged.part(component_name, path) - checkpoint.part(component_name, path)).double()
    assert_same_effect(found, wanted)
    untouched = [key for key in before if torch.equal(before[key], after[key])]
    assert 0 < len(untouched) < len(before)
    with safe_open(result.path, framework="pt") as opened:
        assert opened.metadata()["modelspec.title"] == "it"


def _single_targets(family: str, component: str) -> list[Target]:
    index = base(family).index
    return [
        Target(component, (path,))
        for path, layer in index.module(component).named_modules()
        if isinstance(layer, torch.nn.Linear) and ("attn" in path or "norm_out" in path)
    ]


def test_stored_weights_serve_kinds_that_need_them(folder: Folder) -> None:
    target = Target("unet", (SD_LAYERS[1],))
    stored = Checkpoint(folder("sd", torch.float32, "60KB")).weight(target)
    assert torch.equal(stored, base().weight(target))


def test_extracted_adapter_turns_one_checkpoint_into_the_other(folder: Folder, tmp_path: Path) -> None:
    source = folder("sd", torch.float32, "60KB")
    adapter = unet_file({path: 3 for path in SD_LAYERS}, 8)
    adapter = AdapterFile({**adapter.tensors, **spelled(_text_entry(), "sd", "kohya")}, {})
    tuned = merge_into_checkpoint(Checkpoint(source), [Ingredient(adapter)], tmp_path / "tuned").path
    for randomised in (False, True):
        result = extract(Checkpoint(source), Checkpoint(tuned), Wanted(Limit(rank=3), randomised=randomised))
        assert len(result.layers) == 5
        assert result.error < 1e-4
        assert_same_effect(effect(result.file), effect(adapter), tolerance=1e-3)
    small = extract(Checkpoint(source), Checkpoint(tuned), Wanted(Limit(rank=1), randomised=False))
    for layer in small.layers:
        values = torch.linalg.svdvals(effect(adapter)[f"{layer.layer}.weight"].flatten(1))
        assert abs(layer.error - float(values[1:].norm())) <= 1e-3 * layer.norm
    assert json.loads(result.file.metadata[KEY])["operation"] == "extract"


def test_extraction_keeps_vectors_whole_or_says_that_it_does_not(folder: Folder, tmp_path: Path) -> None:
    source = folder("sd")
    norm = "mid_block.attentions.0.norm"
    tensors = {"w_norm": random(32), "b_norm": random(32, seed=1)}
    adapter = AdapterFile({f"lora_unet_{norm.replace('.', '_')}.{slot}": value for slot, value in tensors.items()}, {})
    both = AdapterFile({**adapter.tensors, **unet_file({SD_LAYERS[2]: 2}, 1).tensors}, {})
    tuned = merge_into_checkpoint(Checkpoint(source), [Ingredient(both)], tmp_path / "tuned").path
    whole = extract(Checkpoint(source), Checkpoint(tuned), Wanted(Limit(rank=2)))
    assert_same_effect(effect(whole.file), effect(both), tolerance=1e-3)
    part = extract(Checkpoint(source), Checkpoint(tuned), Wanted(Limit(rank=2), vectors=False, layout="diffusers"))
    assert [layer.layer for layer in part.layers] == [f"unet.{SD_LAYERS[2]}"]
    assert [what for what, _ in part.left_out] == [f"unet.{norm}.weight", f"unet.{norm}.bias"]
    with pytest.raises(AdapterError, match="empty"):
        extract(Checkpoint(source), Checkpoint(tuned), Wanted(Limit(rank=2), vectors=False, convolutions=False))


def test_same_checkpoints_have_no_difference(folder: Folder) -> None:
    with pytest.raises(AdapterError, match="No layer is changed"):
        extract(Checkpoint(folder()), Checkpoint(folder()), Wanted(Limit(rank=2)))


def test_refusals_leave_nothing_behind(folder: Folder, tmp_path: Path) -> None:
    source, out = folder(), tmp_path / "merged"
    bias = AdapterFile({f"lora_unet_{SD_LAYERS[0].replace('.', '_')}.diff_b": random(32)}, {})
    word = AdapterFile({"<word>": random(1, 24)}, {})
    strange = AdapterFile({"lora_unet_nowhere.diff": random(4, 4)}, {})
    for file, why in ((bias, "has none"), (word, "Textual Inversion words"), (strange, "does nothing")):
        with pytest.raises(AdapterError, match=why):
            merge_into_checkpoint(Checkpoint(source), [Ingredient(file)], out)
    out.mkdir()
    with pytest.raises(EngineError, match="exists already"):
        merge_into_checkpoint(Checkpoint(source), [Ingredient(_kinds_file())], out)
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_quantised_layer_is_refused(folder: Folder, tmp_path: Path) -> None:
    tensors = _as_original("sdxl", "unet")
    name = base("sdxl").index.originals("unet")[(_single_targets("sdxl", "unet")[0].modules)][0]
    key = f"model.diffusion_model.{name}.weight"
    tensors[key] = tensors[key].to(torch.float8_e4m3fn)
    save_file(tensors, tmp_path / "model.safetensors")
    target = _single_targets("sdxl", "unet")[0]
    entry = {target: lora_slots(base("sdxl").index.shape(target), 2, 1)}
    file = AdapterFile(spelled(entry, "sdxl", "diffusers"), {})
    checkpoint = Checkpoint(tmp_path / "model.safetensors", folder("sdxl"))
    with pytest.raises(EngineError, match="quantised"):
        merge_into_checkpoint(checkpoint, [Ingredient(file)], tmp_path / "out.safetensors")


def test_checkpoint_without_its_layers_or_its_architecture_is_refused(folder: Folder, tmp_path: Path) -> None:
    save_file({"model.diffusion_model.out.2.weight": random(4, 16, 3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(EngineError, match="does not say what model"):
        Checkpoint(tmp_path / "model.safetensors")
    checkpoint = Checkpoint(tmp_path / "model.safetensors", folder())
    with pytest.raises(EngineError, match="does not hold it"):
        merge_into_checkpoint(checkpoint, [Ingredient(_kinds_file())], tmp_path / "out.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(EngineError, match="never opened"):
        Checkpoint(tmp_path / "broken.safetensors", folder())


_MEASURE = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from inference.engine.checkpoints.checkpoint import Checkpoint
from inference.engine.checkpoints.merging import Ingredient, merge_into_checkpoint
from inference.engine.files import read_file
source, adapter, out = map(Path, sys.argv[1:])
checkpoint, file = Checkpoint(source), read_file(adapter)
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
open("/proc/self/clear_refs", "w").write("5")
before = peak()
merge_into_checkpoint(checkpoint, [Ingredient(file)], out)
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_stays_below_one_shard(tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(320, 640),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=768,
    )
    unet.save_pretrained(tmp_path / "base" / "unet", max_shard_size="64MB")
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (tmp_path / "base" / "model_index.json").write_text(json.dumps(index))
    tensors = {}
    for path, layer in unet.named_modules():
        if isinstance(layer, torch.nn.Linear) and "attn" in path:
            tensors[f"unet.{path}.lora_A.weight"] = random(4, layer.in_features)
            tensors[f"unet.{path}.lora_B.weight"] = random(layer.out_features, 4)
    save_file(tensors, tmp_path / "adapter.safetensors")
    size = sum(path.stat().st_size for path in (tmp_path / "base" / "unet").glob("*.safetensors"))
    largest = max(parameter.numel() * 4 for parameter in unet.parameters())
    del unet
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, *(str(tmp_path / name) for name in ("base", "adapter.safetensors", "merged"))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    kilobytes = int(run.stdout.splitlines()[-1])
    assert size > 4 * 64e6
    # A tensor, its float32 copy, its new value and the change are there at once.
    assert kilobytes * 1024 < min(64e6, 4.5 * largest)
