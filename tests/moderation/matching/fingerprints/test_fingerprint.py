"""Weight fingerprints: what conversion leaves alone, what merging changes, what is refused."""

import json
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.conversions import (
    DTYPES,
    Factors,
    made,
    merged,
    regauged,
    resized,
    save_comfyui,
    save_differences,
    save_diffusers,
    save_kohya,
    scaled,
    trained_further,
)
from inference.engine import read_adapter
from moderation.matching.fingerprints import (
    DERIVED,
    SAME,
    Fingerprint,
    FingerprintError,
    fingerprint,
    similarity,
)
from registry.artifacts.errors import ArtifactRefused
from tests.inference.engine.references import KINDS
from tests.registry.artifacts.builders import adapter_file, lora

STARTER = Path(__file__).resolve().parents[4] / "registry" / "starter" / "adapters"
UNET = {
    f"lora_unet_input_blocks_{block}_1_transformer_blocks_0_{attention}_to_{part}": (48 if source else 64, 64)
    for block in (4, 5, 7)
    for attention, source in (("attn1", 0), ("attn2", 1))
    for part in "qkv"
}
FLUX = {
    f"lora_unet_{block}": sizes
    for number in (0, 1)
    for block, sizes in {
        f"double_blocks_{number}_img_attn_qkv": (64, 192),
        f"double_blocks_{number}_txt_attn_qkv": (64, 192),
        f"double_blocks_{number}_img_mlp_0": (64, 256),
        f"single_blocks_{number}_linear1": (64, 448),
        f"single_blocks_{number}_linear2": (320, 64),
    }.items()
}
TEXT = {f"lora_te_text_model_encoder_layers_{n}_self_attn_{part}_proj": (48, 48) for n in (0, 1) for part in "qkv"}
MODULES = {**UNET, **TEXT}


@pytest.fixture
def original() -> Factors:
    return made(MODULES, 8, seed=0)


@pytest.fixture
def compare(tmp_path: Path, original: Factors) -> Callable[[Callable[[Path], Path]], float]:
    """The similarity of the original with what is saved."""
    reference = fingerprint(save_kohya(tmp_path / "original.safetensors", original, "F32"))
    return lambda save: similarity(reference, fingerprint(save(tmp_path / "other.safetensors")))


@pytest.mark.parametrize("dtype", DTYPES)
def test_number_format_does_not_matter(compare: Any, original: Factors, dtype: str) -> None:
    assert compare(lambda path: save_kohya(path, scaled(original, 8), dtype)) > SAME


@pytest.mark.parametrize("save", [save_diffusers, save_comfyui, save_differences])
def test_layout_does_not_matter(compare: Any, original: Factors, save: Any) -> None:
    assert compare(lambda path: save(path, original, "F32")) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("modules", [FLUX, UNET, TEXT])
def test_fused_layers_taken_apart_do_not_matter(tmp_path: Path, modules: Any) -> None:
    factors = made(modules, 4, seed=3)
    one = fingerprint(save_kohya(tmp_path / "kohya.safetensors", factors, "F32"))
    other = fingerprint(save_diffusers(tmp_path / "diffusers.safetensors", factors, "F32"))
    whole = fingerprint(save_differences(tmp_path / "whole.safetensors", factors, "F32"))
    assert similarity(one, other) == pytest.approx(1, abs=1e-5)
    assert similarity(one, whole) == pytest.approx(1, abs=1e-5)
    assert other.modules >= one.modules


@pytest.mark.parametrize(
    "change",
    [
        lambda path, factors: save_kohya(path, factors, "F32", alpha=1.0),
        lambda path, factors: save_kohya(path, scaled(factors, 0.3), "F32"),
        lambda path, factors: save_kohya(path, regauged(factors), "F32"),
        lambda path, factors: save_kohya(path, resized(factors, 16), "F32"),
        lambda path, factors: save_diffusers(path, scaled(regauged(factors, 5), 2.0), "BF16"),
    ],
    ids=["alpha", "strength", "basis", "rank", "all"],
)
def test_same_delta_from_other_factors_is_the_same(compare: Any, original: Factors, change: Any) -> None:
    assert compare(lambda path: change(path, original)) > 0.999


def test_opposite_strength_is_minus_one(compare: Any, original: Factors) -> None:
    assert compare(lambda path: save_kohya(path, scaled(original, -1), "F32")) == pytest.approx(-1, abs=1e-5)


def test_merge_is_derived_and_falls_with_its_share(compare: Any, original: Factors) -> None:
    other = made(MODULES, 8, seed=1)
    found = [compare(lambda path, s=s: save_kohya(path, merged(original, other, s))) for s in (0.9, 0.7, 0.5, 0.3, 0.1)]
    assert found == sorted(found, reverse=True)
    assert found[1] > DERIVED > found[3]


def test_lossy_changes_are_derived(compare: Any, original: Factors) -> None:
    assert compare(lambda path: save_kohya(path, resized(original, 4))) > DERIVED
    assert compare(lambda path: save_kohya(path, trained_further(original, 0.3, 2))) > DERIVED


def test_different_adapters_are_below_the_threshold(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    prints = [fingerprint(save_kohya(path, made(MODULES, 8, seed))) for seed in range(12)]
    assert max(abs(similarity(one, other)) for one, other in combinations(prints, 2)) < DERIVED / 2


def test_trained_adapters_are_told_apart() -> None:
    prints = [fingerprint(path) for path in sorted(STARTER.glob("*.safetensors"))]
    assert len(prints) == 9
    assert max(abs(similarity(one, other)) for one, other in combinations(prints, 2)) < DERIVED / 2


@pytest.mark.parametrize("name", ["outlined", "dotted", "sunset", "vintage", "framed", "first-aid"])
def test_trained_adapter_in_other_number_format_is_the_same(name: str, tmp_path: Path) -> None:
    path = STARTER / f"{name}.safetensors"
    copy = tmp_path / "copy.safetensors"
    save_file({key: tensor.to(torch.bfloat16) for key, tensor in load_file(path).items()}, copy)
    assert similarity(fingerprint(path), fingerprint(copy)) > 0.99


# Kinds whose delta does not depend on the base's weight, against the engine's own formula for it.
@pytest.mark.parametrize(
    "kind",
    "lora lora-alpha-zero lora-tucker loha loha-tucker lokr lokr-both-low-rank lokr-whole lokr-tucker full".split(),
)
@pytest.mark.parametrize("layer", [nn.Linear(24, 40), nn.Conv2d(16, 24, 3)], ids=["linear", "conv"])
def test_sketch_is_that_of_the_engine_delta(kind: str, layer: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    tensors = {f"lycoris_mid_block.{name}": value for name, value in KINDS[kind](layer, 5).tensors.items()}
    save_file({name: value for name, value in tensors.items() if not name.endswith("diff_b")}, path)
    (delta,) = read_adapter(path).deltas
    whole = tmp_path / "whole.safetensors"
    save_file({"other.name.diff": delta.factor.change(layer.weight.detach()).contiguous()}, whole)
    assert similarity(fingerprint(path), fingerprint(whole)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["glora", "ia3", "oft", "boft", "dora", "lokr-dora", "oft-constrained-rescaled"])
def test_kinds_that_act_through_the_base_keep_their_print(kind: str, tmp_path: Path) -> None:
    layer = nn.Linear(32, 64)
    prints = []
    for seed, dtype in ((5, torch.float32), (5, torch.float16), (6, torch.float32)):
        path = tmp_path / "adapter.safetensors"
        saved = KINDS[kind](layer, seed).tensors
        save_file({f"lycoris_mid_block.{name}": value.to(dtype) for name, value in saved.items()}, path)
        prints.append(fingerprint(path))
    assert similarity(prints[0], prints[1]) > 0.999
    assert abs(similarity(prints[0], prints[2])) < DERIVED


def test_embedding_in_another_program_form_is_the_same(tmp_path: Path) -> None:
    vectors = torch.randn(4, 768, generator=torch.Generator().manual_seed(1))
    save_file({"<word>": vectors}, tmp_path / "a.safetensors")
    save_file({"emb_params": vectors.half()}, tmp_path / "b.safetensors")
    one, other = fingerprint(tmp_path / "a.safetensors"), fingerprint(tmp_path / "b.safetensors")
    assert similarity(one, other) > 0.999


def test_fingerprint_of_given_weights_stays_as_it_is(tmp_path: Path) -> None:
    """A changed projection must raise VERSION: kept fingerprints would no longer compare."""
    up, down = np.arange(32, dtype=np.float32).reshape(8, 4), np.arange(48, dtype=np.float32).reshape(4, 12)
    found = fingerprint(save_kohya(tmp_path / "a.safetensors", {"lora_unet_x": (up, down)}, "F32"))
    assert found.version == 1
    assert found.vector[:4] == pytest.approx(PINNED, abs=1e-5)


PINNED = [-0.116889, 0.028135, 0.0266, -0.148825]


def test_bytes_give_the_fingerprint_back(tmp_path: Path, original: Factors) -> None:
    found = fingerprint(save_kohya(tmp_path / "a.safetensors", original))
    again = Fingerprint.from_bytes(found.to_bytes())
    assert (again.version, again.modules) == (found.version, len(MODULES))
    assert similarity(found, again) == pytest.approx(1, abs=1e-6)


@given(st.binary(max_size=40) | st.binary(max_size=1100).map(lambda raw: b"AFP\x01" + raw))
def test_damaged_bytes_refused(raw: bytes) -> None:
    with pytest.raises(FingerprintError):
        Fingerprint.from_bytes(raw)


def test_two_versions_do_not_compare() -> None:
    vector = np.eye(1, 256, dtype=np.float32)[0]
    with pytest.raises(FingerprintError, match="version"):
        similarity(Fingerprint(1, vector, 1), Fingerprint(2, vector, 1))


def test_untrained_adapter_refused(tmp_path: Path) -> None:
    with pytest.raises(FingerprintError, match="changes nothing"):
        fingerprint(adapter_file(tmp_path / "a.safetensors", lora("lora_unet_x")))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
def test_unusable_numbers_refused(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    path = tmp_path / "a.safetensors"
    up, down = torch.ones(8, 2), torch.ones(2, 8)
    up[3, 1] = value
    save_file({"lora_unet_x.lora_up.weight": up.to(dtype), "lora_unet_x.lora_down.weight": down.to(dtype)}, path)
    with pytest.raises(FingerprintError, match="NaN or infinite"):
        fingerprint(path)


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
)
def test_every_8_bit_number_is_read_as_torch_reads_it(tmp_path: Path, dtype: torch.dtype) -> None:
    from moderation.matching.fingerprints.tensors import opened

    numbers = torch.arange(256, dtype=torch.uint8).view(dtype)
    usable = numbers[torch.isfinite(numbers.float())]
    save_file({"x": usable}, tmp_path / "a.safetensors")
    with opened(tmp_path / "a.safetensors") as file:
        assert file.read("x").tolist() == usable.float().tolist()


def test_file_of_other_tensors_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"model.layer.scale": torch.ones(3, 5)}, path)
    with pytest.raises(FingerprintError, match="no adapter"):
        fingerprint(path)


def test_factors_that_do_not_fit_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"m.lora_up.weight": torch.ones(8, 2), "m.lora_down.weight": torch.ones(3, 8)}, path)
    with pytest.raises(ArtifactRefused):
        fingerprint(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_shapes_give_a_print_or_a_named_refusal(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Tensors of every slot with random shapes: no other error than the two that are documented."""
    from registry.artifacts.keys import SLOTS

    dice = random.Random(seed)
    slots = dice.sample(sorted(SLOTS), dice.randrange(1, 6))
    tensors = {
        f"m.{slot}": torch.ones([dice.choice([1, 2, 4, 8]) for _ in range(dice.randrange(0, 5))]) for slot in slots
    }
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    save_file(tensors, path, {"ss": json.dumps(seed)})
    try:
        found = fingerprint(path)
    except (FingerprintError, ArtifactRefused):
        return
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-5)
