"""Adapter files of every layout: the same low-rank change, under the names that each trainer gives it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.engine import AdapterError, read_adapter
from tests.inference.engine.changes import changes, random
from tests.inference.engine.conftest import Save

KOHYA, PEFT = ("lora_down.weight", "lora_up.weight", "alpha"), ("lora_A.weight", "lora_B.weight")
ATTN = "mid_block.attentions.0.transformer_blocks.0"
DOWN = "down_blocks.1.attentions.0.transformer_blocks.0"
CLIP = "encoder.layers.1"

# layout → {module as the file calls it: (component, module here)}, the suffixes of its tensors
Layout = tuple[dict[str, tuple[str, str]], tuple[str, ...]]


def _dotted(prefix: str, path: str) -> str:
    return f"{prefix}{path}"


def _flat(prefix: str, path: str) -> str:
    return f"{prefix}{path.replace('.', '_')}"


_SD_UNET = ("unet", f"{ATTN}.attn2.to_k")
_SD_CONV = ("unet", "down_blocks.1.resnets.0.conv1")
_SD_TEXT = ("text_encoder", f"{CLIP}.self_attn.q_proj")

SD: dict[str, Layout] = {
    "kohya": (
        {
            _flat("lora_unet_", f"{ATTN}.attn2.to_k"): _SD_UNET,
            _flat("lora_te_", f"text_model.{CLIP}.self_attn.q_proj"): _SD_TEXT,
        },
        KOHYA,
    ),
    "kohya-locon": ({_flat("lora_unet_", _SD_CONV[1]): _SD_CONV}, KOHYA),
    "kohya-sgm": ({"lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k": _SD_UNET}, KOHYA),
    "lycoris": (
        {
            _flat("lycoris_", f"{ATTN}.attn2.to_k"): _SD_UNET,
            _flat("lycoris_", _SD_CONV[1]): _SD_CONV,
            _flat("lycoris_", f"text_model.{CLIP}.self_attn.q_proj"): _SD_TEXT,
        },
        KOHYA,
    ),
    "lycoris-components": (
        {
            _flat("lycoris_unet_", f"{ATTN}.attn2.to_k"): _SD_UNET,
            _flat("lycoris_te_", f"{CLIP}.self_attn.q_proj"): _SD_TEXT,
        },
        KOHYA,
    ),
    "diffusers-peft": (
        {
            f"unet.{ATTN}.attn2.to_k": _SD_UNET,
            f"unet.{_SD_CONV[1]}": _SD_CONV,
            f"text_encoder.text_model.{CLIP}.self_attn.q_proj": _SD_TEXT,
        },
        PEFT,
    ),
    "flattened-clip": ({f"text_encoder.{CLIP}.self_attn.q_proj": _SD_TEXT}, PEFT),
    "named-adapter": ({f"unet.{ATTN}.attn2.to_k": _SD_UNET}, ("lora_A.default.weight", "lora_B.default.weight")),
    "bare-letters": ({f"unet.{ATTN}.attn2.to_k": _SD_UNET}, ("lora_A", "lora_B")),
    "lora-down": ({f"unet.{ATTN}.attn2.to_k": _SD_UNET}, ("lora.down.weight", "lora.up.weight")),
    "linear-layer": (
        {f"text_encoder.text_model.{CLIP}.self_attn.q_proj": _SD_TEXT},
        ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
    ),
    "processor": (
        {f"unet.{ATTN}.attn2.processor": _SD_UNET},
        ("to_k_lora.down.weight", "to_k_lora.up.weight"),
    ),
    "processor-of-text": (
        {f"text_encoder.text_model.{CLIP}.self_attn": _SD_TEXT},
        ("to_q_lora.down.weight", "to_q_lora.up.weight"),
    ),
    "peft-save": ({f"base_model.model.{ATTN}.attn2.to_k": _SD_UNET}, PEFT),
    "peft-save-of-text": ({f"base_model.model.text_model.{CLIP}.self_attn.q_proj": _SD_TEXT}, PEFT),
    "component-and-peft-save": ({f"unet.base_model.model.{ATTN}.attn2.to_k": _SD_UNET}, PEFT),
    "no-prefix": ({f"{ATTN}.attn2.to_k": _SD_UNET}, PEFT),
    "comfy": ({"diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k": _SD_UNET}, KOHYA),
    "dotted-kohya": ({f"lora_unet.{ATTN}.attn2.to_k": _SD_UNET}, KOHYA),
}
SDXL: dict[str, Layout] = {
    "kohya-sgm": (
        {
            "lora_unet_input_blocks_3_1_transformer_blocks_1_attn1_to_q": (
                "unet",
                "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q",
            ),
            "lora_unet_input_blocks_3_0_in_layers_2": ("unet", "down_blocks.1.resnets.0.conv1"),
            "lora_unet_output_blocks_1_2_conv": ("unet", "up_blocks.0.upsamplers.0.conv"),
            _flat("lora_te1_", f"text_model.{CLIP}.mlp.fc1"): ("text_encoder", f"{CLIP}.mlp.fc1"),
            _flat("lora_te2_", f"text_model.{CLIP}.mlp.fc1"): ("text_encoder_2", f"text_model.{CLIP}.mlp.fc1"),
        },
        KOHYA,
    ),
    "kohya-diffusers": ({_flat("lora_unet_", f"{DOWN}.attn2.to_v"): ("unet", f"{DOWN}.attn2.to_v")}, KOHYA),
    "diffusers-peft": (
        {
            f"unet.{DOWN}.ff.net.2": ("unet", f"{DOWN}.ff.net.2"),
            f"text_encoder_2.text_model.{CLIP}.mlp.fc2": ("text_encoder_2", f"text_model.{CLIP}.mlp.fc2"),
        },
        PEFT,
    ),
    "one-file-of-two-encoders": (
        {f"clip_g.transformer.text_model.{CLIP}.mlp.fc2": ("text_encoder_2", f"text_model.{CLIP}.mlp.fc2")},
        KOHYA,
    ),
}
_BLOCK, _SINGLE = "transformer_blocks.1", "single_transformer_blocks.0"
FLUX: dict[str, Layout] = {
    "kohya": (
        {
            "lora_unet_double_blocks_1_img_attn_proj": ("transformer", f"{_BLOCK}.attn.to_out.0"),
            "lora_unet_single_blocks_0_linear2": ("transformer", f"{_SINGLE}.proj_out"),
            _flat("lora_te1_", f"text_model.{CLIP}.mlp.fc1"): ("text_encoder", f"{CLIP}.mlp.fc1"),
            "lora_te3_encoder_block_0_layer_0_SelfAttention_q": (
                "text_encoder_2",
                "encoder.block.0.layer.0.SelfAttention.q",
            ),
        },
        KOHYA,
    ),
    "bfl": ({"diffusion_model.double_blocks.1.txt_mlp.2": ("transformer", f"{_BLOCK}.ff_context.net.2")}, PEFT),
    "xlabs": (
        {"double_blocks.1.processor.proj_lora2": ("transformer", f"{_BLOCK}.attn.to_add_out")},
        ("down.weight", "up.weight"),
    ),
    "onetrainer": (
        {
            _flat("lora_transformer_", f"{_BLOCK}.attn.to_q"): ("transformer", f"{_BLOCK}.attn.to_q"),
            "lora_te2_encoder_block_0_layer_0_SelfAttention_v": (
                "text_encoder_2",
                "encoder.block.0.layer.0.SelfAttention.v",
            ),
        },
        KOHYA,
    ),
    "diffusers-peft": ({f"transformer.{_SINGLE}.proj_mlp": ("transformer", f"{_SINGLE}.proj_mlp")}, PEFT),
}
SD3: dict[str, Layout] = {
    "kohya": (
        {
            "lora_unet_joint_blocks_0_context_block_mlp_fc1": (
                "transformer",
                "transformer_blocks.0.ff_context.net.0.proj",
            )
        },
        KOHYA,
    ),
    "comfy": ({"diffusion_model.joint_blocks.1.x_block.attn.proj": ("transformer", f"{_BLOCK}.attn.to_out.0")}, KOHYA),
    "diffusers-peft": (
        {
            f"transformer.{_BLOCK}.attn.to_k": ("transformer", f"{_BLOCK}.attn.to_k"),
            "text_encoder_3.encoder.block.0.layer.0.SelfAttention.o": (
                "text_encoder_3",
                "encoder.block.0.layer.0.SelfAttention.o",
            ),
        },
        PEFT,
    ),
}
CASES = [
    pytest.param(family, layout, id=f"{family}-{layout}")
    for family, layouts in (("sd", SD), ("sdxl", SDXL), ("flux", FLUX), ("sd3", SD3))
    for layout in layouts
]
LAYOUTS = {"sd": SD, "sdxl": SDXL, "flux": FLUX, "sd3": SD3}


def _low_rank(layer: Any, seed: int) -> tuple[Tensor, Tensor]:
    out, inputs, *kernel = layer.weight.shape
    return random(3, inputs, *kernel, seed=seed), random(out, 3, *[1] * len(kernel), seed=seed + 50)


@pytest.mark.parametrize(("family", "layout"), CASES)
def test_layout_changes_exactly_the_layers_it_names(
    family: str, layout: str, save: Save, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    modules, suffixes = LAYOUTS[family][layout]
    tensors, wanted = {}, {}
    for seed, (name, (component, path)) in enumerate(modules.items()):
        layer = getattr(pipe, component).get_submodule(path)
        down, up = _low_rank(layer, seed)
        values = (down, up, torch.tensor(6.0))
        tensors |= {f"{name}.{suffix}": value for suffix, value in zip(suffixes, values, strict=False)}
        scale = 2.0 if "alpha" in suffixes else 1.0
        wanted[f"{component}.{path}.weight"] = (up.flatten(1) @ down.flatten(1)).reshape(layer.weight.shape) * scale
    found = changes(pipe, save(tensors))
    assert found.keys() == wanted.keys()
    for key, difference in wanted.items():
        torch.testing.assert_close(found[key], difference, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "name", "modules"),
    [
        ("flux", "lora_unet_double_blocks_0_img_attn_qkv", [f"attn.to_{part}" for part in "qkv"]),
        ("flux", "diffusion_model.double_blocks.0.txt_attn.qkv", [f"attn.add_{part}_proj" for part in "qkv"]),
        ("flux", "double_blocks.0.processor.qkv_lora1", [f"attn.to_{part}" for part in "qkv"]),
        ("sd3", "lora_unet_joint_blocks_0_context_block_attn_qkv", [f"attn.add_{part}_proj" for part in "qkv"]),
        ("sd3", "diffusion_model.joint_blocks.0.x_block.attn.qkv", [f"attn.to_{part}" for part in "qkv"]),
    ],
)
def test_fused_layer_is_split_over_its_modules(
    family: str, name: str, modules: list[str], save: Save, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    layer = pipe.transformer.transformer_blocks[0].attn.to_q
    down, up = random(4, layer.in_features), random(3 * layer.out_features, 4, seed=1)
    suffixes = ("down.weight", "up.weight") if "processor" in name else KOHYA[:2]
    found = changes(pipe, save({f"{name}.{suffixes[0]}": down, f"{name}.{suffixes[1]}": up}))
    whole = torch.cat([found[f"transformer.transformer_blocks.0.{module}.weight"] for module in modules])
    assert len(found) == 3
    torch.testing.assert_close(whole, up @ down, rtol=1e-4, atol=1e-6)


def test_fused_single_layer_of_flux_is_split_in_its_four_parts(flux: Any, save: Save) -> None:
    block = flux.transformer.single_transformer_blocks[1]
    rows = 3 * block.attn.to_q.out_features + block.proj_mlp.out_features
    down, up = random(4, block.proj_mlp.in_features), random(rows, 4, seed=1)
    name = "diffusion_model.single_blocks.1.linear1"
    found = changes(flux, save({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}))
    parts = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
    whole = torch.cat([found[f"transformer.single_transformer_blocks.1.{part}.weight"] for part in parts])
    torch.testing.assert_close(whole, up @ down, rtol=1e-4, atol=1e-6)


def test_halves_of_the_last_modulation_change_places(flux: Any, save: Save) -> None:
    layer = flux.transformer.norm_out.linear
    diff, bias = random(*layer.weight.shape), random(*layer.bias.shape, seed=1)
    name = "diffusion_model.final_layer.adaLN_modulation.1"
    found = changes(flux, save({f"{name}.diff": diff, f"{name}.diff_b": bias}))
    half = diff.shape[0] // 2
    for part, value in (("weight", diff), ("bias", bias)):
        difference = found[f"transformer.norm_out.linear.{part}"]
        torch.testing.assert_close(difference, torch.cat([value[half:], value[:half]]), rtol=1e-4, atol=1e-6)


def test_linear_spelling_of_a_one_by_one_convolution_fits(sd: Any, save: Save) -> None:
    path = "mid_block.attentions.0.proj_in"
    layer = sd.unet.get_submodule(path)
    down, up = random(2, layer.weight.shape[1]), random(layer.weight.shape[0], 2, seed=1)
    found = changes(sd, save({f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}))
    torch.testing.assert_close(found[f"unet.{path}.weight"].flatten(1), up @ down, rtol=1e-4, atol=1e-6)


def test_half_precision_and_bfloat16_are_read(sd: Any, save: Save) -> None:
    down, up = random(2, 24), random(32, 2, seed=1)
    for dtype in (torch.float16, torch.bfloat16):
        tensors = {
            f"unet.{ATTN}.attn2.to_k.lora_A.weight": down.to(dtype),
            f"unet.{ATTN}.attn2.to_k.lora_B.weight": up.to(dtype),
        }
        found = changes(sd, save(tensors))[f"unet.{ATTN}.attn2.to_k.weight"]
        torch.testing.assert_close(found, up.to(dtype).float() @ down.to(dtype).float(), rtol=1e-4, atol=1e-6)


def _lora(**changes: Tensor) -> dict[str, Tensor]:
    name = f"unet.{ATTN}.attn2.to_k"
    tensors = {"lora_A.weight": random(2, 24), "lora_B.weight": random(32, 2, seed=1), **changes}
    return {f"{name}.{suffix}": value for suffix, value in tensors.items()}


def _refused(path: Path) -> AdapterError:
    with pytest.raises(AdapterError) as refused:
        read_adapter(path)
    error = refused.value
    assert error.what
    assert error.why
    assert error.remedy
    return error


@pytest.mark.parametrize(("number", "said"), [(float("nan"), "NaN"), (float("inf"), "infinite")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_unusable_number_is_refused(save: Save, number: float, said: str, dtype: torch.dtype) -> None:
    up = random(32, 2)
    up[3, 1] = number
    error = _refused(save(_lora(**{"lora_B.weight": up.to(dtype)})))
    assert said in error.why
    assert "lora_B.weight" in error.why


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "There is no file gone.safetensors" in _refused(tmp_path / "gone.safetensors").why


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"PK\x03\x04" + bytes(100)])
def test_file_of_another_format_is_refused_unopened(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "style.safetensors"
    path.write_bytes(content)
    assert "pickle files" in _refused(path).remedy


def test_truncated_file_is_refused(save: Save) -> None:
    path = save(_lora())
    path.write_bytes(path.read_bytes()[:-8])
    assert "no sound safetensors file" in _refused(path).why


def test_empty_file_is_refused(save: Save) -> None:
    assert _refused(save({})).why == "It contains no tensors."


def test_checkpoint_is_refused_with_examples_of_its_names(save: Save) -> None:
    error = _refused(save({"model.diffusion_model.out.2.weight": random(4, 4), "first_stage_model.x": random(2)}))
    assert "“first_stage_model.x”" in error.why
    assert "full checkpoint" in error.remedy


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"lora_A.weight": random(3, 24)}, "different ranks"),
        ({"reshape_weight": torch.tensor([32, 48])}, "Control LoRA"),
        ({"hada_w1_a": random(32, 2)}, "It lacks hada_w1_b"),
        ({"rescale": random(32)}, "It also has rescale"),
        ({"lora_mid.weight": random(3, 2, 1, 1)}, "does not fit the core"),
    ],
)
def test_entry_that_cannot_be_exact_is_refused(save: Save, tensors: dict[str, Tensor], why: str) -> None:
    error = _refused(save(_lora(**tensors)))
    assert why in error.why
    assert f"unet.{ATTN}.attn2.to_k" in error.what


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"lora_A.weight": random(2, 24)}, "only down"),
        ({"alpha": torch.tensor(1.0)}, "only alpha"),
        ({"dora_scale": random(32, 1)}, "beside no low-rank weights"),
        ({"oft_blocks": random(4, 8, 6)}, "no square blocks"),
        ({"lokr_w1": random(4, 4)}, "It lacks lokr_w2_a"),
        ({"ia3_l": random(32)}, "adapter_config.json"),
        (
            {
                "hada_w1_a": random(32, 2),
                "hada_w1_b": random(2, 24),
                "hada_w2_a": random(32, 2),
                "hada_w2_b": random(2, 24),
                "hada_t1": random(2, 2, 3, 3),
            },
            "hada_t1, hada_t2 is missing",
        ),
    ],
)
def test_incomplete_entry_is_refused(save: Save, tensors: dict[str, Tensor], why: str) -> None:
    error = _refused(save({f"unet.{ATTN}.attn2.to_k.{suffix}": value for suffix, value in tensors.items()}))
    assert why in error.why


def test_tensor_of_no_kind_is_listed(save: Save) -> None:
    adapter = read_adapter(save({**_lora(), "logit_scale": torch.ones(1)}))
    assert [(skipped.module, skipped.why) for skipped in adapter.unread] == [
        ("logit_scale", "This tensor belongs to no adapter kind.")
    ]


def test_adapter_knows_its_kinds_and_its_metadata(save: Save) -> None:
    conv = {"unet.conv_out.lora_down.weight": random(2, 16, 3, 3), "unet.conv_out.lora_up.weight": random(4, 2, 1, 1)}
    adapter = read_adapter(save({**_lora(), **conv, "unet.conv_in.diff": random(16, 4, 3, 3)}, metadata={"a": "b"}))
    assert adapter.kinds == {"lora", "locon", "full"}
    assert adapter.metadata == {"a": "b"}
    assert adapter.tokens == ()
