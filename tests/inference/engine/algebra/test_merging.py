"""Merging adapters: what the file does is what was promised, and the error is what it says."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine import AdapterError, EngineError
from inference.engine.algebra import combining
from inference.engine.algebra.merging import Part, Recipe, layer_generator, merge_adapters
from inference.engine.algebra.truncation import Limit
from inference.engine.files import AdapterFile
from inference.engine.lineage import KEY
from inference.engine.names import Target
from tests.inference.engine.changes import random
from tests.inference.engine.made import SD_LAYERS, assert_same_effect, base, effect, lora_slots, spelled, unet_file
from tests.inference.engine.references import KINDS

FILES = st.dictionaries(st.sampled_from(SD_LAYERS), st.integers(1, 6), min_size=1)
WEIGHTS = st.floats(-1.5, 1.5).filter(lambda weight: abs(weight) > 0.01)


def _sum(parts: list[Part]) -> dict[str, torch.Tensor]:
    total: dict[str, torch.Tensor] = {}
    for part in parts:
        for key, value in effect(part.file, weight=1.0).items():
            total[key] = total.get(key, 0) + part.weight * value
    return total


@settings(max_examples=12, deadline=None)
@given(FILES, FILES, WEIGHTS, WEIGHTS, st.sampled_from(["linear", "concat"]))
def test_linear_is_the_sum_of_the_changes(
    first: dict[str, int], second: dict[str, int], one: float, other: float, method: Any
) -> None:
    parts = [Part(unet_file(first, 1), one), Part(unet_file(second, 2), other)]
    result = merge_adapters(parts, base(), Recipe(method))
    assert result.error == 0
    assert_same_effect(effect(result.file), _sum(parts), tolerance=2e-5)


@settings(max_examples=12, deadline=None)
@given(FILES, FILES, st.integers(1, 5), WEIGHTS)
def test_svd_leaves_out_what_it_says(first: dict[str, int], second: dict[str, int], rank: int, weight: float) -> None:
    parts = [Part(unet_file(first, 1)), Part(unet_file(second, 2), weight)]
    result = merge_adapters(parts, base(), Recipe("svd", Limit(rank=rank)))
    wanted, found = _sum(parts), effect(result.file)
    for layer in result.layers:
        key = f"{layer.layer}.weight"
        values = torch.linalg.svdvals(wanted[key].flatten(1))
        assert layer.rank is not None
        assert layer.rank <= rank
        assert abs(layer.error - float(values[rank:].norm())) <= 1e-4 * layer.norm
        assert abs(float((wanted[key] - found[key]).norm()) - layer.error) <= 1e-4 * layer.norm + 1e-5
        assert abs(layer.norm - float(values.norm())) <= 1e-4 * layer.norm


@pytest.mark.parametrize("method", ["ties", "dare", "dare-ties"])
def test_sparse_methods_work_on_whole_changes(method: Any) -> None:
    path = SD_LAYERS[0]
    parts = [Part(unet_file({path: 3}, seed), weight) for seed, weight in ((1, 1.0), (2, 0.5))]
    result = merge_adapters(parts, base(), Recipe(method, density=0.6, seed=4))
    dense = [effect(part.file)[f"unet.{path}.weight"].float() for part in parts]
    generator = layer_generator(4, Target("unet", (path,)))
    wanted = {
        "ties": lambda: combining.ties(dense, [1.0, 0.5], 0.6),
        "dare": lambda: combining.dare(dense, [1.0, 0.5], 0.6, generator),
        "dare-ties": lambda: combining.dare_ties(dense, [1.0, 0.5], 0.6, generator),
    }[method]()
    found = effect(result.file)[f"unet.{path}.weight"].float()
    # Which entries are the largest depends on the last bit of a few; nearly all have to agree.
    assert float(((found - wanted).abs() <= 1e-6).float().mean()) >= 0.99
    again = merge_adapters(parts, base(), Recipe(method, density=0.6, seed=4))
    assert again.file.same_as(result.file)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_merged_with_a_lora(kind: str) -> None:
    path = SD_LAYERS[1]
    reference = KINDS[kind](base().index.module("unet").get_submodule(path), seed=5)
    name = f"lora_unet_{path.replace('.', '_')}"
    strange = AdapterFile({f"{name}.{slot}": value for slot, value in reference.tensors.items()}, {})
    plain = unet_file({path: 2}, 9)
    result = merge_adapters([Part(strange), Part(plain, 0.5)], base(), Recipe())
    wanted = effect(strange)
    weight = f"unet.{path}.weight"
    wanted[weight] = wanted[weight] + 0.5 * effect(plain)[weight]
    assert_same_effect(effect(result.file), wanted, tolerance=1e-4)


def test_layouts_mix() -> None:
    entry = {Target("unet", (SD_LAYERS[0],)): lora_slots(torch.Size([32, 24]), 3, 1)}
    files = [AdapterFile(spelled(entry, "sd", layout), {}) for layout in ("kohya", "diffusers", "peft", "comfyui")]
    result = merge_adapters([Part(file, 0.25) for file in files], base(), Recipe("svd", Limit(rank=3)))
    assert result.error < 1e-3
    assert_same_effect(effect(result.file), effect(files[0]), tolerance=1e-4)


def test_fused_and_single_layers_of_flux_are_merged() -> None:
    index = base("flux").index
    (fused,) = index.candidates("diffusion_model.double_blocks.0.img_attn.qkv")
    single = Target("transformer", ("transformer_blocks.0.attn.to_k",))
    files = [
        AdapterFile(spelled({fused: lora_slots(index.shape(fused), 3, 1)}, "flux", "kohya"), {}),
        AdapterFile(spelled({single: lora_slots(index.shape(single), 2, 2)}, "flux", "diffusers"), {}),
    ]
    wanted = effect(files[0], "flux")
    key = "transformer.transformer_blocks.0.attn.to_k.weight"
    wanted[key] = wanted[key] + effect(files[1], "flux")[key]
    for layout in ("diffusers", "kohya", "comfyui"):
        result = merge_adapters([Part(file) for file in files], base("flux"), Recipe("concat"), layout=layout)
        assert_same_effect(effect(result.file, "flux"), wanted, tolerance=2e-5)


def test_biases_and_norms_add_up() -> None:
    norm, layer = "mid_block.attentions.0.norm", SD_LAYERS[1]
    files = [
        AdapterFile(
            {
                f"lora_unet_{norm.replace('.', '_')}.w_norm": random(32, seed=seed),
                f"lora_unet_{norm.replace('.', '_')}.b_norm": random(32, seed=seed + 1),
                f"lora_unet_{layer.replace('.', '_')}.diff_b": random(32, seed=seed + 2),
            },
            {},
        )
        for seed in (1, 5)
    ]
    parts = [Part(files[0], 0.5), Part(files[1], 2.0)]
    result = merge_adapters(parts, base(), Recipe())
    assert_same_effect(effect(result.file), _sum(parts), tolerance=2e-5)


def test_lineage_names_parents_and_parameters() -> None:
    parts = [Part(unet_file({SD_LAYERS[0]: 2}, 1), 0.7), Part(unet_file({SD_LAYERS[0]: 2}, 2), 0.3)]
    result = merge_adapters(parts, base(), Recipe("ties", Limit(rank=4), density=0.3))
    record = json.loads(result.file.metadata[KEY])
    assert record == {
        "operation": "merge",
        "parents": [{"name": f"adapter-{seed}", "sha256": f"{seed:064x}"} for seed in (1, 2)],
        "parameters": {
            "method": "ties",
            "weights": [0.7, 0.3],
            "rank": 4,
            "energy": None,
            "density": 0.3,
            "seed": 0,
        },
    }
    assert result.worst in result.layers


def test_words_of_textual_inversion_are_left_out_and_said() -> None:
    plain = unet_file({SD_LAYERS[0]: 2}, 1)
    bundled = AdapterFile({**plain.tensors, "bundle_emb.<word>.string_to_param.*": random(1, 24)}, {})
    result = merge_adapters([Part(bundled), Part(plain)], base(), Recipe())
    assert [what for what, _ in result.left_out] == ["<word>"]


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"method": "svd"}, "needs a rank"),
        ({"method": "concat", "limit": Limit(rank=2)}, "keeps all ranks"),
        ({"method": "slerp"}, "no method"),
        ({"density": 0.0}, "density"),
    ],
)
def test_impossible_recipe_is_refused(recipe: dict[str, Any], why: str) -> None:
    with pytest.raises(EngineError, match=why):
        Recipe(**recipe)


def test_one_adapter_or_a_weight_without_a_value_is_refused() -> None:
    file = unet_file({SD_LAYERS[0]: 2}, 1)
    for parts in ([Part(file)], [Part(file), Part(file, float("nan"))]):
        with pytest.raises(EngineError, match="finite weight"):
            merge_adapters(parts, base(), Recipe())


def test_factors_of_another_kind_are_refused_for_concat() -> None:
    diff = AdapterFile({f"lora_unet_{SD_LAYERS[0].replace('.', '_')}.diff": random(32, 24)}, {})
    with pytest.raises(AdapterError, match="no plain LoRA"):
        merge_adapters([Part(diff), Part(diff)], base(), Recipe("concat"))


def test_whole_differences_are_refused_for_diffusers() -> None:
    file = unet_file({SD_LAYERS[0]: 20}, 1)
    with pytest.raises(AdapterError, match="LoRA and DoRA only"):
        merge_adapters([Part(file), Part(file)], base(), Recipe("linear"), layout="diffusers")
