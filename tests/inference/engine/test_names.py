"""Names of layers outside diffusers, against diffusers' own converters of original checkpoints.

Each converter is fed tensors that name themselves: which original layer, which row. What it makes of them says where
every row of the original layer lies here, and the engine's index must say the same.
"""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import (
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    WanTransformer3DModel,
    ZImageTransformer2DModel,
)
from diffusers.loaders.single_file_utils import (
    convert_flux2_transformer_checkpoint_to_diffusers,
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_ldm_unet_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
    convert_wan_transformer_to_diffusers,
    convert_z_image_transformer_checkpoint_to_diffusers,
)
from torch import Tensor

from inference.engine.names import NameIndex
from inference.engine.names.unet import original_names

SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UNETS = {"sd1": {"cross_attention_dim": 768}, "sdxl": SDXL}
FLUX_LINEAR1 = 3 * 3072 + 4 * 3072  # the converter knows no other size


class Asked(dict[str, Tensor]):
    """A checkpoint that holds whatever the converter asks for: each row says its layer's number and its own."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(dict.fromkeys(keys, torch.zeros(6)))
        self.given: dict[str, Tensor] = {}

    def __getitem__(self, key: str) -> Tensor:
        return self.pop(key)

    def pop(self, key: str, *_: Any) -> Tensor:
        rows = FLUX_LINEAR1 if ".linear1." in key else 6
        return self.given.setdefault(key, torch.arange(rows) + 100_000 * (len(self.given) + 1))


def on_meta(build: Callable[[], Any]) -> Any:
    """A full-size model without its memory."""
    with torch.device("meta"):
        return build()


def assert_rows_lie_where_converted(index: NameIndex, asked: Asked, converted: dict[str, Tensor]) -> None:
    layers = {key.rpartition(".")[0]: key for key in asked.given if key.endswith((".weight", ".scale"))}
    assert len(layers) > 20
    for layer, key in layers.items():
        (target,) = index.candidates(f"diffusion_model.{layer}")
        parts = torch.cat([converted[f"{module}.weight"] for module in target.modules])
        if target.swapped:
            parts = torch.cat(tuple(reversed(parts.chunk(2))))
        assert torch.equal(parts, asked.given[key]), f"{layer} is not {target}"
        assert index.candidates(f"lora_unet_{layer.replace('.', '_')}") == [target]


@cache
def meta_unet(family: str) -> Any:
    return on_meta(lambda: UNet2DConditionModel(**UNETS[family]))


@pytest.mark.parametrize("family", UNETS)
def test_every_unet_layer_has_the_name_of_the_original_checkpoint(family: str) -> None:
    unet = meta_unet(family)
    paths = [path.removesuffix(".weight") for path in unet.state_dict() if path.endswith(".weight")]
    names = original_names(unet, paths)
    assert sorted(names.values()) == sorted(paths)
    checkpoint = {f"model.diffusion_model.{name}.{part}": name for name in names for part in ("weight", "bias")}
    converted = convert_ldm_unet_checkpoint(checkpoint, {**unet.config})
    weights = [path for path in converted if path.endswith(".weight")]
    assert names == {converted[path]: path.removesuffix(".weight") for path in weights}


@pytest.mark.parametrize(
    ("family", "kohya", "path"),
    [
        ("sd1", "input_blocks_1_1_proj_in", "down_blocks.0.attentions.0.proj_in"),
        ("sd1", "input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("sd1", "output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"),
        ("sd1", "output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("sdxl", "input_blocks_4_1_proj_in", "down_blocks.1.attentions.0.proj_in"),
        ("sdxl", "input_blocks_8_0_in_layers_2", "down_blocks.2.resnets.1.conv1"),
        ("sdxl", "middle_block_1_proj_out", "mid_block.attentions.0.proj_out"),
        ("sdxl", "output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
        ("sdxl", "label_emb_0_2", "add_embedding.linear_2"),
    ],
)
def test_unet_layer_is_found_by_its_original_name(family: str, kohya: str, path: str) -> None:
    index = NameIndex(SimpleNamespace(unet=meta_unet(family)))
    (target,) = index.candidates(f"lora_unet_{kohya}")
    assert (target.component, target.modules) == ("unet", (path,))


def test_every_flux_row_lies_where_diffusers_converts_it() -> None:
    transformer = on_meta(lambda: FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True))
    index = NameIndex(SimpleNamespace(transformer=transformer))
    asked = Asked(["double_blocks.1.x", "single_blocks.1.x", "guidance_in.x"])
    converted = convert_flux_transformer_checkpoint_to_diffusers(asked)
    assert_rows_lie_where_converted(index, asked, converted)


def test_every_sd3_row_lies_where_diffusers_converts_it() -> None:
    transformer = on_meta(
        lambda: SD3Transformer2DModel(
            num_layers=3, dual_attention_layers=(0,), qk_norm="rms_norm", pos_embed_max_size=8
        )
    )
    index = NameIndex(SimpleNamespace(transformer=transformer))
    asked = Asked(["joint_blocks.2.x_block.attn.ln_q", "joint_blocks.0.x_block.attn2.x"])
    converted = convert_sd3_transformer_checkpoint_to_diffusers(asked)
    assert_rows_lie_where_converted(index, asked, converted)


FURTHER: dict[str, tuple[Callable[[], Any], Callable[..., dict[str, Tensor]], set[str]]] = {
    "flux2": (
        lambda: Flux2Transformer2DModel(num_layers=2, num_single_layers=2),
        convert_flux2_transformer_checkpoint_to_diffusers,
        set(),
    ),
    "wan": (lambda: WanTransformer3DModel(num_layers=2), convert_wan_transformer_to_diffusers, set()),
    "wan-image": (
        lambda: WanTransformer3DModel(num_layers=2, added_kv_proj_dim=5120, image_dim=1280),
        convert_wan_transformer_to_diffusers,
        {"condition_embedder.image_embedder"},
    ),
    "z-image": (
        lambda: ZImageTransformer2DModel(n_layers=2, n_refiner_layers=1),
        convert_z_image_transformer_checkpoint_to_diffusers,
        set(),
    ),
}


@pytest.mark.parametrize("family", FURTHER)
def test_every_name_of_further_families_is_converted_so(family: str) -> None:
    build, convert, unknown = FURTHER[family]
    transformer = on_meta(build)
    index = NameIndex(SimpleNamespace(transformer=transformer))
    originals = index.originals("transformer")
    named = {
        f"{name}.weight": torch.arange(6) + 1000 * number for number, (name, _) in enumerate(originals.values(), 1)
    }
    reached = {module for modules in originals for module in modules}
    same = {
        f"{path}.weight": torch.tensor([number])
        for number, (path, layer) in enumerate(transformer.named_modules())
        if getattr(layer, "weight", None) is not None and path not in reached
    }
    assert len(named) > 15
    converted = convert({**named, **same})
    for name, target in originals.values():
        parts = torch.cat([converted[f"{module}.weight"] for module in target.modules])
        if target.swapped:
            parts = torch.cat(tuple(reversed(parts.chunk(2))))
        assert torch.equal(parts, named[f"{name}.weight"]), f"{name} is not {target}"
    renamed = {key for key in same if key not in converted}
    assert {key for key in renamed if not any(key.startswith(part) for part in unknown)} == set()


def test_name_of_no_layer_is_absent_with_the_reason(sd: Any) -> None:
    index = NameIndex(sd)
    assert index.candidates("lora_te2_text_model_encoder_layers_0_mlp_fc1") == []
    assert index.why_absent("lora_te2_text_model_encoder_layers_0_mlp_fc1") == "The base model has no text encoder 2."
    assert index.candidates("lora_unet_nowhere") == []
    assert index.why_absent("lora_unet_nowhere") == "The base model has no layer of this name."
