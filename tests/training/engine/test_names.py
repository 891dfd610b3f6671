"""Names in files against the tables by which files are read: every adapted layer is found again, as itself."""

from itertools import chain
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, UNet2DConditionModel

from inference.engine.names.tables import FLUX
from inference.engine.names.unet import original_names
from training.engine.config import Targets
from training.engine.names import fused_names, kohya_name
from training.engine.networks.targets import denoiser_places


@pytest.fixture(scope="module")
def sdxl_unet() -> Any:
    """SDXL's own UNet, without memory for its weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            use_linear_projection=True,
        )


def test_sdxl_layers_have_the_names_of_sgm(sdxl_unet: Any) -> None:
    places = denoiser_places("unet", sdxl_unet, Targets.CONVOLUTIONS)
    paths = [place.path for place in places]
    wanted = {path: name.replace(".", "_") for name, path in original_names(sdxl_unet, paths).items()}
    assert len(paths) > 700
    for path in paths:
        assert kohya_name("sdxl", "unet", path, sdxl_unet) == f"lora_unet_{wanted[path]}"


def test_known_names_of_sdxl_are_those_of_published_files(sdxl_unet: Any) -> None:
    known = {
        "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k": (
            "input_blocks_4_1_transformer_blocks_1_attn2_to_k"
        ),
        "mid_block.attentions.0.proj_in": "middle_block_1_proj_in",
        "up_blocks.0.attentions.2.transformer_blocks.9.ff.net.0.proj": (
            "output_blocks_2_1_transformer_blocks_9_ff_net_0_proj"
        ),
        "down_blocks.0.downsamplers.0.conv": "input_blocks_3_0_op",
        "up_blocks.1.upsamplers.0.conv": "output_blocks_5_2_conv",
    }
    for path, name in known.items():
        assert kohya_name("sdxl", "unet", path, sdxl_unet) == f"lora_unet_{name}"


@pytest.mark.parametrize(
    ("family", "component", "name"),
    [
        ("sd1", "text_encoder", "lora_te_text_model_encoder_layers_0_mlp_fc1"),
        ("sdxl", "text_encoder", "lora_te1_text_model_encoder_layers_0_mlp_fc1"),
        ("sdxl", "text_encoder_2", "lora_te2_text_model_encoder_layers_0_mlp_fc1"),
        ("flux1", "text_encoder", "lora_te1_text_model_encoder_layers_0_mlp_fc1"),
    ],
)
def test_text_encoders_are_named_alike_with_and_without_their_outer_level(
    family: str, component: str, name: str
) -> None:
    for path in ("encoder.layers.0.mlp.fc1", "text_model.encoder.layers.0.mlp.fc1"):
        assert kohya_name(family, component, path, None) == name


def test_flux_layers_are_fused_as_the_original_has_them() -> None:
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(num_layers=2, num_single_layers=2)
    paths = frozenset(place.path for place in denoiser_places("transformer", transformer, Targets.FEED_FORWARD))
    table = {
        f"lora_unet_{block.theirs}_{number}_{name.replace('.', '_')}": tuple(
            f"{block.ours}.{number}.{layer}" for layer in layers
        )
        for block in FLUX.blocks
        for number in range(2)
        for name, layers in block.layers.items()
        if not name.startswith("processor")
    }
    found = fused_names(paths)
    assert found
    assert all(table[name] == layers for name, layers in found.items())
    assert set(chain.from_iterable(found.values())) == paths


def test_fused_layer_is_named_whole_where_only_a_part_is_adapted() -> None:
    found = fused_names(frozenset({"single_transformer_blocks.3.attn.to_k"}))
    assert list(found) == ["lora_unet_single_blocks_3_linear1"]
    assert len(found["lora_unet_single_blocks_3_linear1"]) == 4
