"""Applying and taking off again: bit for bit, everything in the report, and refusals before anything changes."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inference.engine import AdapterError, EngineError, applied, read_adapter
from tests.inference.engine.changes import changes, random, weights
from tests.inference.engine.conftest import Save, bits

UNET = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT = "encoder.layers.0.mlp.fc1"


def _lora(layer: nn.Linear, name: str, seed: int = 0) -> dict[str, Tensor]:
    return {
        f"{name}.lora_A.weight": random(2, layer.in_features, seed=seed),
        f"{name}.lora_B.weight": random(layer.out_features, 2, seed=seed + 50),
    }


def _on_unet(pipe: Any, seed: int = 0) -> dict[str, Tensor]:
    return _lora(pipe.unet.get_submodule(UNET), f"unet.{UNET}", seed)


def _on_text(pipe: Any) -> dict[str, Tensor]:
    return _lora(pipe.text_encoder.get_submodule(TEXT), f"text_encoder.{TEXT}", 7)


# Every test ends with the fixture's own check that the pipeline is bit for bit what it was.


def test_weights_come_back_after_an_exception(sd: Any, save: Save) -> None:
    adapter = read_adapter(save(_on_unet(sd)))
    before = bits(sd)
    with suppress(ZeroDivisionError), applied(sd, adapter):
        assert bits(sd) != before
        raise ZeroDivisionError
    assert bits(sd) == before


def test_weights_come_back_after_nested_adapters(sd: Any, save: Save) -> None:
    first, second = (read_adapter(save(_on_unet(sd, seed), f"{seed}.safetensors")) for seed in (1, 2))
    before = bits(sd)
    with applied(sd, first):
        outer = bits(sd)
        with suppress(KeyError), applied(sd, second, 0.5):
            assert bits(sd) != outer
            raise KeyError
        assert bits(sd) == outer
    assert bits(sd) == before


def test_nested_adapters_add_up(sd: Any, save: Save) -> None:
    paths = [save(_on_unet(sd, seed), f"{seed}.safetensors") for seed in (1, 2)]
    key = f"unet.{UNET}.weight"
    wanted = changes(sd, paths[0])[key] + 0.5 * changes(sd, paths[1])[key]
    before = weights(sd)[key]
    with applied(sd, read_adapter(paths[0])), applied(sd, read_adapter(paths[1]), 0.5):
        torch.testing.assert_close(weights(sd)[key] - before, wanted, rtol=1e-4, atol=1e-6)


def test_two_entries_of_one_layer_are_both_taken_back(sd: Any, save: Save) -> None:
    diff = random(*sd.unet.get_submodule(UNET).weight.shape, seed=3)
    path = save({**_on_unet(sd), f"unet.{UNET}.diff": diff})
    alone = changes(sd, save(_on_unet(sd), "alone.safetensors"))[f"unet.{UNET}.weight"]
    torch.testing.assert_close(changes(sd, path)[f"unet.{UNET}.weight"], alone + diff, rtol=1e-4, atol=1e-6)


def test_half_precision_weights_come_back_bit_for_bit(sd: Any, save: Save) -> None:
    adapter = read_adapter(save(_on_unet(sd)))
    layer = sd.unet.get_submodule(UNET)
    full = layer.weight.data
    layer.weight.data = full.half()
    try:
        before = layer.weight.data.clone()
        with applied(sd, adapter, 0.3):
            assert layer.weight.dtype == torch.float16
            assert not torch.equal(layer.weight, before)
        assert torch.equal(layer.weight, before)
    finally:
        layer.weight.data = full


@pytest.mark.parametrize("strength", [1.0, 0.37])
def test_text_encoder_has_a_strength_of_its_own(sd: Any, save: Save, strength: float) -> None:
    path = save({**_on_unet(sd), **_on_text(sd)})
    whole = changes(sd, path)
    before = weights(sd)
    with applied(sd, read_adapter(path), strength, text_weight=0.0):
        after = weights(sd)
    assert torch.equal(after[f"text_encoder.{TEXT}.weight"], before[f"text_encoder.{TEXT}.weight"])
    key = f"unet.{UNET}.weight"
    torch.testing.assert_close(after[key] - before[key], strength * whole[key], rtol=1e-4, atol=1e-6)


def test_strength_zero_changes_no_bit(sd: Any, save: Save) -> None:
    with_dora = {**_on_unet(sd), f"unet.{UNET}.dora_scale": 1 + random(32, 1).abs()}
    adapter = read_adapter(save(with_dora))
    before = bits(sd)
    with applied(sd, adapter, 0.0) as report:
        assert bits(sd) == before
    assert report.applied == [f"unet.{UNET}"]


def test_report_names_every_module(sd: Any, save: Save) -> None:
    tensors = {
        **_on_unet(sd),
        **_on_text(sd),
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": random(2, 4),
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": random(4, 2),
        "unet.nowhere.diff": random(4, 4),
        "logit_scale": torch.ones(1),
    }
    with applied(sd, read_adapter(save(tensors))) as report:
        assert sorted(report.applied) == [f"text_encoder.{TEXT}", f"unet.{UNET}"]
        assert sorted(report.skipped) == [
            ("logit_scale", "This tensor belongs to no adapter kind."),
            ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "The base model has no text encoder 2."),
            ("unet.nowhere", "The base model has no layer of this name."),
        ]


def _refused(pipe: Any, tensors: dict[str, Tensor], save: Save) -> EngineError:
    adapter = read_adapter(save(tensors))
    before = bits(pipe)
    with pytest.raises(EngineError) as refused, applied(pipe, adapter):
        pytest.fail("the adapter was applied")
    assert bits(pipe) == before
    assert refused.value.remedy
    return refused.value


def test_adapter_without_a_place_is_refused(sd: Any, save: Save) -> None:
    error = _refused(sd, {"unet.nowhere.diff": random(4, 4), "unet.elsewhere.diff": random(4, 4)}, save)
    assert isinstance(error, AdapterError)
    assert error.what == "The adapter does nothing on this base model."
    assert "None of its 2 entries" in error.why


def test_adapter_of_another_width_is_refused_before_anything_changes(sd: Any, save: Save) -> None:
    other = {f"unet.{UNET}.lora_A.weight": random(2, 768), f"unet.{UNET}.lora_B.weight": random(320, 2)}
    error = _refused(sd, {**_on_text(sd), **other}, save)
    assert isinstance(error, AdapterError)
    assert "320 outputs × 768 inputs" in error.why
    assert "32 × 24" in error.why
    assert error.remedy == "Choose the base model it was trained for."


@pytest.mark.parametrize(
    "tensors",
    [
        {"diff": random(32, 25)},
        {
            "hada_w1_a": random(32, 2),
            "hada_w1_b": random(2, 20),
            "hada_w2_a": random(32, 2),
            "hada_w2_b": random(2, 20),
        },
        {"lokr_w1": random(4, 4), "lokr_w2": random(8, 8)},
        {
            "a1.weight": random(25, 2),
            "a2.weight": random(2, 25),
            "b1.weight": random(32, 2),
            "b2.weight": random(2, 24),
        },
        {"weight": random(33), "on_input": torch.tensor(False)},
        {"oft_blocks": random(5, 4, 4)},
        {"oft_blocks": random(2, 5, 4, 4)},
        {"set_weight": random(24, 32)},
        {"w_norm": random(31)},
        {"lora_A.weight": random(2, 24), "lora_B.weight": random(32, 2), "dora_scale": random(30, 1)},
        {"lora_A.weight": random(2, 24), "lora_B.weight": random(32, 2), "diff_b": random(31)},
    ],
    ids=lambda tensors: "+".join(tensors),
)
def test_wrong_shape_of_any_kind_is_refused(sd: Any, save: Save, tensors: dict[str, Tensor]) -> None:
    error = _refused(sd, {f"unet.{UNET}.{suffix}": value for suffix, value in tensors.items()}, save)
    assert error.what == "The adapter does not fit this base model."


def test_bias_where_the_base_has_none_is_refused(sd: Any, save: Save) -> None:
    error = _refused(sd, {**_on_unet(sd), f"unet.{UNET}.diff_b": random(32)}, save)
    assert "moves the bias" in error.why


def test_layer_that_is_not_in_memory_is_refused(sd: Any, save: Save) -> None:
    adapter = read_adapter(save(_on_unet(sd)))
    layer = sd.unet.get_submodule(UNET)
    kept = layer.weight
    layer.weight = nn.Parameter(kept.data.to("meta"), requires_grad=False)
    try:
        with pytest.raises(EngineError, match="not in memory"), applied(sd, adapter):
            pytest.fail("the adapter was applied")
    finally:
        layer.weight = kept


def test_replaced_weight_is_the_files_own(sd: Any, save: Save) -> None:
    value = random(32, 24, seed=9)
    adapter = read_adapter(save({f"unet.{UNET}.set_weight": value}))
    layer = sd.unet.get_submodule(UNET)
    before = layer.weight.detach().clone()
    with applied(sd, adapter):
        torch.testing.assert_close(layer.weight.data, value)
    with applied(sd, adapter, 0.25):
        torch.testing.assert_close(layer.weight.data, 0.75 * before + 0.25 * value)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_bias_alone_moves_the_bias(sd: Any, save: Save, strength: float) -> None:
    path = "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
    bias = random(32)
    found = changes(sd, save({f"unet.{path}.diff_b": bias}), strength)
    assert found.keys() == {f"unet.{path}.bias"}
    torch.testing.assert_close(found[f"unet.{path}.bias"], strength * bias, rtol=1e-4, atol=1e-6)
