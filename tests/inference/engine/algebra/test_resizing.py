"""Resizing any kind to a LoRA: the error of each layer is that of the singular values left out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine.algebra.resizing import resize
from inference.engine.algebra.truncation import Limit
from inference.engine.files import AdapterFile
from inference.engine.names import Target
from tests.inference.engine.changes import random
from tests.inference.engine.made import SD_LAYERS, assert_same_effect, base, effect, lora_slots, spelled, unet_file
from tests.inference.engine.references import KINDS

FILES = st.dictionaries(st.sampled_from(SD_LAYERS), st.integers(1, 8), min_size=1)


@settings(max_examples=15, deadline=None)
@given(FILES, st.integers(1, 6), st.sampled_from([None, 0.5, 4.0]))
def test_error_is_that_of_the_discarded_singular_values(ranks: dict[str, int], rank: int, alpha: float | None) -> None:
    file = unet_file(ranks, 3, alpha)
    result = resize(file, base(), Limit(rank=rank))
    wanted, found = effect(file), effect(result.file)
    for layer in result.layers:
        key = f"{layer.layer}.weight"
        values = torch.linalg.svdvals(wanted[key].flatten(1))
        assert abs(layer.error - float(values[rank:].norm())) <= 1e-4 * layer.norm
        assert abs(float((wanted[key] - found[key]).norm()) - layer.error) <= 1e-4 * layer.norm + 1e-5


@settings(max_examples=10, deadline=None)
@given(FILES, st.floats(0.3, 0.999))
def test_energy_that_is_retained_is_what_was_asked_for(ranks: dict[str, int], energy: float) -> None:
    for layer in resize(unet_file(ranks, 4), base(), Limit(energy=energy)).layers:
        assert layer.error**2 <= (1 - energy) * layer.norm**2 * (1 + 1e-4) + 1e-9


@pytest.mark.parametrize("where", [1, 2])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_becomes_a_lora_that_does_the_same(kind: str, where: int) -> None:
    path = SD_LAYERS[where]
    reference = KINDS[kind](base().index.module("unet").get_submodule(path), seed=5)
    name = f"lora_unet_{path.replace('.', '_')}"
    file = AdapterFile({f"{name}.{slot}": value for slot, value in reference.tensors.items()}, {"ss_seed": "1"})
    result = resize(file, base(), Limit(rank=64))
    assert_same_effect(effect(result.file), effect(file), tolerance=1e-4)
    assert result.file.metadata["ss_seed"] == "1"
    assert {layer.kind for layer in result.layers} <= {"lora", "locon", "dora"}
    assert bool(result.notes) is (kind not in {"lora", "lora-alpha-zero", "lora-rank-stabilised", "lora-tucker"})


def test_fused_layer_stays_fused() -> None:
    index = base("flux").index
    (fused,) = index.candidates("diffusion_model.double_blocks.0.img_attn.qkv")
    file = AdapterFile(spelled({fused: lora_slots(index.shape(fused), 6, 1)}, "flux", "kohya"), {})
    result = resize(file, base("flux"), Limit(rank=2))
    assert result.file.tensors["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"].shape[0] == 2
    assert [layer.rank for layer in result.layers] == [2]


def test_vectors_stay_whole() -> None:
    norm = "lora_unet_mid_block_attentions_0_norm"
    tensors = {
        **unet_file({SD_LAYERS[0]: 2}, 1).tensors,
        f"{norm}.w_norm": random(32),
        f"{norm}.b_norm": random(32, seed=2),
    }
    file = AdapterFile(tensors, {})
    assert_same_effect(effect(resize(file, base(), Limit(rank=2)).file), effect(file), tolerance=1e-4)


def test_peft_file_gets_its_scale_from_the_configuration_and_loses_it() -> None:
    target = Target("unet", (SD_LAYERS[0],))
    tensors = spelled({target: lora_slots(torch.Size([32, 24]), 4, 1)}, "sd", "diffusers")
    file = AdapterFile(tensors, {"lora_adapter_metadata": '{"unet.lora_alpha": 12, "unet.r": 4}'})
    result = resize(file, base(), Limit(rank=4))
    assert_same_effect(effect(result.file), effect(file), tolerance=1e-4)
    assert '"unet.lora_alpha": 4' in result.file.metadata["lora_adapter_metadata"]
