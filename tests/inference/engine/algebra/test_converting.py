"""From layout to layout and back: the same bits, the same effect, and refusals where something would be lost."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inference.engine import AdapterError, EngineError
from inference.engine.algebra.converting import ORIGINAL, convert
from inference.engine.algebra.origin import KEY
from inference.engine.files import AdapterFile, read_file, write_file
from inference.engine.names import LAYOUTS, Speller, Target
from tests.inference.engine.changes import random
from tests.inference.engine.made import SD_LAYERS, assert_same_effect, base, effect, lora_slots, spelled, unet_file
from tests.inference.engine.references import KINDS

FAMILIES = ("sd", "sdxl", "flux", "sd3")
METADATA = {"ss_network_module": "networks.lora", "ss_tag_frequency": '{"a": {"b": 1}}'}


def _targets(family: str, layout: str) -> list[Target]:
    """Layers of all components that take a LoRA, as the layout sees them: fused ones too."""
    index = base(family).index
    speller = Speller(index, LAYOUTS[layout])
    groups = [target for component in index.components for target in speller.groups(component)]
    return [target for target in groups if len(index.shape(target)) > 1 and "embed" not in str(target)]


def _file(family: str, layout: str, count: int, seed: int, dtype: torch.dtype, alpha: float | None) -> AdapterFile:
    groups = _targets(family, layout)
    chosen = [groups[(seed * 7 + place * 11) % len(groups)] for place in range(count)]
    entries = {
        target: {
            slot: tensor.to(dtype)
            for slot, tensor in lora_slots(base(family).index.shape(target), 1 + seed % 4, seed + place, alpha).items()
        }
        for place, target in enumerate(dict.fromkeys(chosen))
    }
    if LAYOUTS[layout].alpha_beside:
        for slots in entries.values():
            slots.pop("alpha", None)
    return AdapterFile(spelled(entries, family, layout), METADATA, "adapter")


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(LAYOUTS)),
    st.integers(1, 6),
    st.integers(0, 1000),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    st.sampled_from([None, 0.5, 3.0, 16.0]),
)
def test_there_and_back_is_the_same_file(
    family: str, source: str, there: str, count: int, seed: int, dtype: torch.dtype, alpha: float | None
) -> None:
    file = _file(family, source, count, seed, dtype, alpha)
    index = base(family).index
    converted = convert(file, there, index).file
    assert convert(converted, ORIGINAL, index).file.same_as(file)
    third = convert(converted, "peft" if there != "peft" else "diffusers", index).file
    assert convert(third, source, index).file.same_as(file)
    assert KEY not in convert(third, source, index).file.metadata


@pytest.mark.parametrize("there", sorted(LAYOUTS))
@pytest.mark.parametrize("source", sorted(LAYOUTS))
@pytest.mark.parametrize("family", FAMILIES)
def test_converted_file_does_the_same(family: str, source: str, there: str) -> None:
    file = _file(family, source, 12, 3, torch.float32, 2.0)
    wanted = effect(file, family)
    converted = convert(file, there, base(family).index).file
    assert_same_effect(effect(converted, family), wanted)
    assert all(converted.metadata[key] == value for key, value in METADATA.items())


def test_file_on_disk_comes_back_byte_for_byte(tmp_path: Path) -> None:
    first = write_file(_file("sdxl", "kohya", 20, 1, torch.float16, 8.0), tmp_path / "first.safetensors")
    index = base("sdxl").index
    write_file(convert(first, "diffusers", index).file, tmp_path / "there.safetensors")
    back = convert(read_file(tmp_path / "there.safetensors"), "kohya", index).file
    assert write_file(back, tmp_path / "back.safetensors").sha256 == first.sha256


def test_peft_folder_holds_the_configuration(tmp_path: Path) -> None:
    file, index = unet_file({SD_LAYERS[0]: 2, SD_LAYERS[1]: 3}, 1, alpha=5.0), base().index
    converted = convert(file, "peft", index).file
    with pytest.raises(EngineError, match=r"adapter_config\.json"):
        write_file(converted, tmp_path / "other.safetensors")
    write_file(converted, tmp_path / "adapter_model.safetensors")
    read = read_file(tmp_path / "adapter_model.safetensors")
    assert_same_effect(effect(read), effect(file))
    assert convert(read, ORIGINAL, index).file.same_as(file)


SPELLINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lycoris": ("lycoris_" + SD_LAYERS[0].replace(".", "_"), ("lora_down.weight", "lora_up.weight", "alpha")),
    "named": (f"unet.{SD_LAYERS[0]}", ("lora_A.default.weight", "lora_B.default.weight")),
    "lora.down": (f"unet.{SD_LAYERS[0]}", ("lora.down.weight", "lora.up.weight")),
    "sgm": ("lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k", ("lora_down.weight", "lora_up.weight")),
    "dotted": (f"lora_unet.{SD_LAYERS[0]}", ("lora_down.weight", "lora_up.weight", "alpha")),
    "bare": (SD_LAYERS[0], ("lora_A.weight", "lora_B.weight")),
}


@pytest.mark.parametrize("there", sorted(LAYOUTS))
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_unusual_spellings_come_back(spelling: str, there: str) -> None:
    name, suffixes = SPELLINGS[spelling]
    values = (random(3, 24), random(32, 3, seed=1), torch.tensor(6.0, dtype=torch.float64))
    file = AdapterFile({f"{name}.{suffix}": value for suffix, value in zip(suffixes, values, strict=False)}, METADATA)
    index = base().index
    converted = convert(file, there, index).file
    assert_same_effect(effect(converted), effect(file))
    assert convert(converted, ORIGINAL, index).file.same_as(file)


def _of_kind(kind: str) -> AdapterFile:
    path = SD_LAYERS[1]
    reference = KINDS[kind](base().index.module("unet").get_submodule(path), seed=5)
    return AdapterFile(
        {f"lora_unet_{path.replace('.', '_')}.{key}": value for key, value in reference.tensors.items()}, {}
    )


# A core with one kernel position, on a linear layer, is saved without a core.
_LORA = {"lora", "lora-alpha-zero", "lora-rank-stabilised", "lora-tucker", "dora"}
EXPRESSED = {
    "diffusers": _LORA,
    "peft": _LORA | {"loha", "loha-tucker"},
    "comfyui": set(KINDS) - {"ia3", "ia3-on-input"},
}


@pytest.mark.parametrize("there", ["diffusers", "peft", "comfyui"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_kind_is_converted_whole_or_refused_with_the_reason(kind: str, there: str) -> None:
    file, index = _of_kind(kind), base().index
    if kind not in EXPRESSED[there]:
        with pytest.raises(AdapterError, match="without a loss") as refused:
            convert(file, there, index)
        assert refused.value.remedy
        return
    converted = convert(file, there, index)
    assert_same_effect(effect(converted.file), effect(file))
    assert convert(converted.file, "kohya", index).file.same_as(file)
    assert bool(converted.notes) is ("dora" in kind)


def test_dora_on_a_convolution_keeps_its_magnitude() -> None:
    path = SD_LAYERS[2]
    slots = {**lora_slots(torch.Size([32, 16, 3, 3]), 2, 1), "dora_scale": 1 + random(32, 1, 1, 1).abs()}
    file = AdapterFile(spelled({Target("unet", (path,)): slots}, "sd", "kohya"), {})
    converted = convert(file, "diffusers", base().index).file
    assert converted.tensors[f"unet.{path}.lora_magnitude_vector"].shape == (1, 32, 1, 1)
    assert_same_effect(effect(converted), effect(file))


@pytest.mark.parametrize("kind", ["loha", "full", "norm", "ia3", "oft"])
def test_fused_entry_of_other_kinds_is_cut_without_a_loss(kind: str) -> None:
    index = base("flux").index
    (fused,) = index.candidates("diffusion_model.double_blocks.0.img_attn.qkv")
    rows, width = index.shape(fused)
    slots: dict[str, dict[str, Tensor]] = {
        "loha": {
            "hada_w1_a": random(rows, 2),
            "hada_w1_b": random(2, width, seed=1),
            "hada_w2_a": random(rows, 2, seed=2),
            "hada_w2_b": random(2, width, seed=3),
        },
        "full": {"diff": random(rows, width), "diff_b": random(rows, seed=4)},
        "ia3": {"weight": random(rows), "on_input": torch.tensor(False)},
        "oft": {"oft_blocks": random(rows // 8, 8, 8)},
        "norm": {"diff_b": random(rows)},
    }
    file = AdapterFile(spelled({fused: slots[kind]}, "flux", "kohya"), {})
    speller = Speller(index, LAYOUTS["diffusers"])
    from inference.engine.algebra.regrouping import Entry, regrouped

    parts = list(regrouped([Entry(fused, slots[kind])], speller))
    assert [part.target.modules for part in parts] == [(module,) for module in fused.modules]
    single = AdapterFile(spelled({part.target: part.slots for part in parts}, "flux", "diffusers"), {})
    assert_same_effect(effect(single, "flux"), effect(file, "flux"), tolerance=2e-5)
    (whole,) = regrouped(parts, Speller(index, LAYOUTS["kohya"]))
    assert whole.target == fused
    assert all(torch.equal(whole.slots[slot], value) for slot, value in slots[kind].items())


def test_kronecker_of_a_fused_layer_cannot_be_cut() -> None:
    index = base("flux").index
    (fused,) = index.candidates("diffusion_model.double_blocks.0.img_attn.qkv")
    rows, width = index.shape(fused)
    slots = {"lokr_w1": random(8, 4), "lokr_w2": random(rows // 8, width // 4, seed=1)}
    file = AdapterFile(spelled({fused: slots}, "flux", "kohya"), {})
    assert_same_effect(effect(convert(file, "comfyui", index).file, "flux"), effect(file, "flux"))
    from inference.engine.algebra.regrouping import Entry, regrouped

    with pytest.raises(AdapterError, match="mix the outputs"):
        list(regrouped([Entry(fused, slots)], Speller(index, LAYOUTS["diffusers"])))


def test_tensors_of_no_kind_are_carried_along() -> None:
    plain = unet_file({SD_LAYERS[0]: 2}, 1)
    strange = {"logit_scale": torch.ones(1), "bundle_emb.<word>.string_to_param.*": random(1, 24)}
    file = AdapterFile({**plain.tensors, **strange}, {})
    converted = convert(file, "diffusers", base().index).file
    assert all(torch.equal(converted.tensors[key], value) for key, value in strange.items())
    assert convert(converted, "kohya", base().index).file.same_as(file)


def test_textual_inversion_is_the_same_everywhere() -> None:
    file = AdapterFile({"<word>": random(2, 24)}, {})
    result = convert(file, "diffusers", base().index)
    assert result.file.same_as(file)
    assert "no layout" in result.notes[0]


def test_entry_without_a_layer_is_refused() -> None:
    file = AdapterFile({**unet_file({SD_LAYERS[0]: 2}, 1).tensors, "lora_unet_nowhere.diff": random(4, 4)}, {})
    with pytest.raises(AdapterError, match="lora_unet_nowhere"):
        convert(file, "diffusers", base().index)


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(EngineError, match="kohya, comfyui"):
        convert(unet_file({SD_LAYERS[0]: 2}, 1), "onnx", base().index)


def test_damaged_record_is_refused() -> None:
    file = unet_file({SD_LAYERS[0]: 2}, 1, metadata={KEY: "{"})
    with pytest.raises(AdapterError, match="damaged"):
        convert(file, "diffusers", base().index)
