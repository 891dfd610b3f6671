"""Whole models are refused as what they are, also where they hold names like those of adapters."""

from pathlib import Path

import pytest

from registry.artifacts import ArtifactRefused, inspect_file
from tests.registry.artifacts.builders import Shapes, adapter_file, lora, peft

K = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def _weights(*names: str) -> dict[str, tuple[int, ...]]:
    """The weights and biases of these layers, as a model's own file has them."""
    return {f"{name}.{part}": (4, 4) if part == "weight" else (4,) for name in names for part in ("weight", "bias")}


MODELS: dict[str, tuple[str, Shapes]] = {
    # what it is → the code it is refused with, and names of its layers as they are published
    "checkpoint SD 1": (
        "full-checkpoint",
        _weights(
            "model.diffusion_model.input_blocks.0.0",
            "first_stage_model.encoder.conv_in",
            "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1",
        ),
    ),
    "checkpoint SDXL": (
        "full-checkpoint",
        _weights("model.diffusion_model.out.2", "conditioner.embedders.0.transformer.text_model.embeddings.x"),
    ),
    "UNet of diffusers": ("full-checkpoint", _weights("down_blocks.0.resnets.0.conv1", "conv_in", "up_blocks.0.x")),
    "UNet of ComfyUI": ("full-checkpoint", _weights("diffusion_model.input_blocks.0.0", "diffusion_model.out.2")),
    "FLUX.1": ("full-checkpoint", _weights("double_blocks.0.img_attn.qkv", "single_blocks.0.linear1")),
    "FLUX.1 with its norms": (
        "full-checkpoint",
        _weights("double_blocks.0.img_attn.qkv") | {"double_blocks.0.img_attn.norm.query_norm.scale": (4,)},
    ),
    "SD 3": ("full-checkpoint", _weights("joint_blocks.0.x_block.attn.qkv", "joint_blocks.1.context_block.attn.qkv")),
    "Qwen-Image": ("full-checkpoint", _weights("transformer_blocks.0.attn.to_q", "transformer_blocks.0.img_mlp.net.2")),
    "Z-Image": ("full-checkpoint", _weights("layers.0.attention.to_q", "layers.0.feed_forward.w1")),
    "Wan": ("full-checkpoint", _weights("blocks.0.self_attn.q", "blocks.0.ffn.0")),
    "VAE": ("vae", _weights("encoder.down.0.block.0.conv1", "decoder.up.0.block.0.conv1", "post_quant_conv")),
    "VAE of diffusers": ("vae", _weights("encoder.down_blocks.0.resnets.0.conv1", "decoder.mid_block.resnets.0.conv1")),
    "VAE of a checkpoint": ("vae", _weights("first_stage_model.decoder.conv_in", "first_stage_model.encoder.conv_in")),
    "CLIP": ("text-encoder", _weights("text_model.encoder.layers.0.self_attn.q_proj", "text_model.embeddings.x")),
    "T5": ("text-encoder", {"shared.weight": (4, 4), "encoder.block.0.layer.0.SelfAttention.q.weight": (4, 4)}),
    "CLIP vision": ("text-encoder", _weights("vision_model.encoder.layers.0.mlp.fc1")),
    "ESRGAN": ("upscaler", _weights("model.0", "model.1.sub.0.RDB1.conv1.0")),
    "RealESRGAN": ("upscaler", _weights("conv_first", "body.0.rdb1.conv1")),
    "ControlNet": ("control-net", _weights("control_model.input_blocks.0.0", "control_model.middle_block.0")),
    "ControlNet of diffusers": (
        "control-net",
        _weights("controlnet_cond_embedding.conv_in", "controlnet_down_blocks.0"),
    ),
    "Control LoRA of ComfyUI": (
        "control-lora",
        {**lora("diffusion_model.img_in"), "diffusion_model.img_in.reshape_weight": (2,)},
    ),
    "Control LoRA of FLUX": (
        "control-lora",
        {
            **{
                key: shape
                for n in range(20)
                for key, shape in peft(f"double_blocks.{n}.img_attn.qkv", into=3072).items()
            },
            "double_blocks.0.img_attn.norm.query_norm.scale": (128,),
        },
    ),
    "something else": ("not-an-adapter", _weights("fc1", "fc2")),
}


@pytest.mark.parametrize("name", MODELS)
def test_whole_model_refused_as_what_it_is(name: str, tmp_path: Path) -> None:
    code, shapes = MODELS[name]
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert refused.value.code == code
    assert all((refused.value.what, refused.value.why, refused.value.remedy))


@pytest.mark.parametrize(
    "name", [name for name, (code, _) in MODELS.items() if not code.startswith(("control", "not"))]
)
def test_whole_model_with_an_adapter_in_it_refused(name: str, tmp_path: Path) -> None:
    """A prefix alone proves nothing: some checkpoints hold LoRA-like names beside their own."""
    code, shapes = MODELS[name]
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(adapter_file(tmp_path / "x.safetensors", {**shapes, **lora(K)}))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "module",
    [
        "diffusion_model.double_blocks.0.img_attn.qkv",
        "double_blocks.0.img_attn.qkv",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
        "transformer_blocks.0.attn.to_q",
        "text_model.encoder.layers.0.self_attn.q_proj",
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k",
        "layers.0.attention.to_q",
        "blocks.0.self_attn.q",
    ],
)
def test_adapter_under_a_models_names_taken(module: str, tmp_path: Path) -> None:
    assert inspect_file(adapter_file(tmp_path / "x.safetensors", peft(module))).kind == "lora"


def test_few_tensors_of_no_kind_do_not_refuse(tmp_path: Path) -> None:
    shapes = {key: shape for n in range(10) for key, shape in lora(f"{K}{n}").items()} | {"logit_scale": (1,)}
    assert inspect_file(adapter_file(tmp_path / "x.safetensors", shapes)).kind == "lora"
