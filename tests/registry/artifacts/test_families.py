"""The base family and the layout of every program's files; what fits two families is "unknown", never a guess."""

from pathlib import Path

import pytest

from registry.artifacts import inspect_file
from tests.registry.artifacts.builders import adapter_file, lora, peft

BLOCK = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
K = f"{BLOCK}_attn2_to_k"

FLUX_D, FLUX_S = "transformer_blocks.0", "single_transformer_blocks.0"
FAMILIES = {
    "sd1 kohya": (lora(K, into=768), "sd1", "kohya"),
    "sd2 kohya": (lora(K, into=1024), "sd2", "kohya"),
    "tinybase": (lora(K, into=96, out=96), "tinybase", "kohya"),
    "sdxl diffusers names": (lora(K, into=2048), "sdxl", "kohya"),
    "sdxl sgm names": (lora("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", into=2048), "sdxl", "kohya"),
    "sdxl by depth": (lora("lora_unet_input_blocks_7_1_transformer_blocks_5_attn1_to_k", into=1280), "sdxl", "kohya"),
    "shallow self-attention": (lora(f"{BLOCK}_attn1_to_k", into=640), "unknown", "kohya"),
    "sd1 text encoder": (lora("lora_te_text_model_encoder_layers_0_self_attn_q_proj", into=768), "sd1", "kohya"),
    "sd2 text encoder": (lora("lora_te_text_model_encoder_layers_0_self_attn_q_proj", into=1024), "sd2", "kohya"),
    "numbered text encoder": (
        lora("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", into=768),
        "unknown",
        "kohya",
    ),
    "lycoris": (lora(K.replace("lora_unet_", "lycoris_unet_"), into=768), "sd1", "lycoris"),
    "sd1 diffusers": (peft("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"), "sd1", "diffusers"),
    "sd1 peft": (peft("base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"), "sd1", "peft"),
    "sd1 attn-processor": (
        {
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768),
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight": (320, 4),
        },
        "sd1",
        "attn-processor",
    ),
    "sdxl comfyui": (
        peft("diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k", into=2048),
        "sdxl",
        "comfyui",
    ),
    "flux1 kohya": (lora("lora_unet_double_blocks_0_img_attn_qkv", into=3072), "flux1", "kohya"),
    "flux1 comfyui": (peft("diffusion_model.double_blocks.0.img_attn.qkv", into=3072), "flux1", "comfyui"),
    "flux1 bfl": (peft("single_blocks.3.linear1", into=3072), "flux1", "bfl"),
    "flux1 diffusers": (
        {**peft(f"transformer.{FLUX_D}.attn.to_q", into=3072), **peft(f"transformer.{FLUX_S}.attn.to_q", into=3072)},
        "flux1",
        "diffusers",
    ),
    "flux1 onetrainer": (
        lora("lora_transformer_single_transformer_blocks_3_attn_to_q", into=3072),
        "flux1",
        "onetrainer",
    ),
    "flux1 xlabs": (
        {
            "double_blocks.0.processor.qkv_lora1.down.weight": (16, 3072),
            "double_blocks.0.processor.qkv_lora1.up.weight": (9216, 16),
        },
        "flux1",
        "xlabs",
    ),
    "flux2 comfyui": (peft("diffusion_model.double_blocks.0.img_attn.qkv", into=6144), "flux2", "comfyui"),
    "flux2 small": (peft("diffusion_model.double_blocks.0.img_attn.qkv", into=4096), "flux2", "comfyui"),
    "flux2 by its text": (
        {**peft("diffusion_model.txt_in", into=15360), **peft("diffusion_model.double_blocks.0.img_mlp.0", into=3072)},
        "flux2",
        "comfyui",
    ),
    "flux2 diffusers": (
        peft("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", into=6144),
        "flux2",
        "diffusers",
    ),
    "sd3 bfl names": (peft("diffusion_model.joint_blocks.0.x_block.attn.qkv", into=1536), "sd3", "comfyui"),
    "sd3 kohya": (lora("lora_unet_joint_blocks_0_context_block_attn_qkv", into=1536), "sd3", "kohya"),
    "sd3 diffusers": (peft("transformer.transformer_blocks.0.attn.add_q_proj", into=1536), "sd3", "diffusers"),
    "sd3 diffusers, image side": (peft("transformer.transformer_blocks.0.attn.to_q", into=2432), "sd3", "diffusers"),
    "qwen by its layers": (
        peft("transformer.transformer_blocks.0.img_mlp.net.0.proj", into=3072),
        "qwen-image",
        "diffusers",
    ),
    "qwen by its depth": (peft("transformer.transformer_blocks.40.attn.to_q", into=3072), "qwen-image", "diffusers"),
    "joint block of two families": (
        peft("transformer.transformer_blocks.3.attn.to_q", into=3072),
        "unknown",
        "diffusers",
    ),
    "z-image": (peft("diffusion_model.layers.0.attention.to_q", into=3840), "z-image", "comfyui"),
    "z-image refiner": (peft("diffusion_model.context_refiner.0.feed_forward.w1", into=3840), "z-image", "comfyui"),
    "wan": (peft("diffusion_model.blocks.0.self_attn.q", into=5120), "wan", "comfyui"),
    "wan diffusers": (peft("transformer.blocks.0.attn1.to_q", into=5120), "wan", "diffusers"),
    "ti sd1": ({"emb_params": (4, 768)}, "sd1", "embedding"),
    "ti sd2": ({"string_to_param": (4, 1024)}, "sd2", "embedding"),
    "ti sdxl": ({"clip_l": (4, 768), "clip_g": (4, 1280)}, "sdxl", "embedding"),
    "ti by token": ({"<statue>": (1, 768)}, "sd1", "embedding"),
    "ti of one encoder": ({"clip_g": (4, 1280)}, "unknown", "embedding"),
    "ti of CLIP-L alone": ({"clip_l": (4, 768)}, "unknown", "embedding"),  # SDXL, SD 3 and FLUX have it too
    "ti sd3": ({"clip_l": (4, 768), "clip_g": (4, 1280), "t5xxl": (4, 4096)}, "sd3", "embedding"),
    "ti of CLIP-L and T5": ({"clip_l": (4, 768), "t5xxl": (4, 4096)}, "unknown", "embedding"),  # FLUX.1 or SD 3
    "ti sdxl of diffusers": ({"text_encoders_0": (4, 768), "text_encoders_1": (4, 1280)}, "sdxl", "embedding"),
    "ti with its star": ({"string_to_param.*": (4, 768)}, "sd1", "embedding"),
    # FLUX
    "flux1 by its text": (peft("diffusion_model.txt_in", into=4096, out=3072), "flux1", "comfyui"),
    "flux1 diffusers by its text": (peft("transformer.context_embedder", into=4096, out=3072), "flux1", "diffusers"),
    "text of T5's width alone": (peft("transformer.context_embedder", into=4096, out=1536), "unknown", "diffusers"),
    "flux1 kohya single": (lora("lora_unet_single_blocks_0_linear1", into=3072, out=21504), "flux1", "kohya"),
    "flux1 xlabs projection": (
        {
            "double_blocks.0.processor.proj_lora2.down.weight": (16, 3072),
            "double_blocks.0.processor.proj_lora2.up.weight": (3072, 16),
        },
        "flux1",
        "xlabs",
    ),
    "flux2 of 7680": (peft("diffusion_model.txt_in", into=7680, out=3072), "flux2", "comfyui"),
    "flux2 of 12288": (peft("diffusion_model.txt_in", into=12288, out=4096), "flux2", "comfyui"),
    "flux2 smallest, single in": (
        peft("diffusion_model.single_blocks.0.linear1", into=3072, out=27648),
        "flux2",
        "comfyui",
    ),
    "flux2 smallest, single out": (
        peft("diffusion_model.single_blocks.0.linear2", into=12288, out=3072),
        "flux2",
        "comfyui",
    ),
    "flux2 smallest, double": (lora("lora_unet_double_blocks_0_img_mlp_0", into=3072, out=18432), "flux2", "kohya"),
    "HunyuanVideo is no flux": (
        peft("diffusion_model.double_blocks.0.img_attn_qkv", into=3072, out=9216),
        "unknown",
        "comfyui",
    ),
    "HunyuanVideo kohya": (lora("lora_unet_double_blocks_0_img_mlp_fc1", into=3072, out=12288), "unknown", "kohya"),
    # T5 is `lora_te3` in sd-scripts and `lora_te2` elsewhere; its widths are neither CLIP's nor a UNet's.
    "flux1 with T5 as te3": (
        {
            **lora("lora_unet_double_blocks_0_img_attn_qkv", into=3072),
            **lora("lora_te3_encoder_block_0_layer_0_SelfAttention_q", into=4096),
        },
        "flux1",
        "kohya",
    ),
    "T5 alone as te2": (lora("lora_te2_encoder_block_0_layer_0_SelfAttention_q", into=4096), "unknown", "kohya"),
    "T5 alone as te3": (lora("lora_te3_encoder_block_0_layer_0_SelfAttention_q", into=4096), "unknown", "kohya"),
    "sdxl by its second text encoder": (
        {
            **lora("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", into=768),
            **lora("lora_te2_text_model_encoder_layers_0_self_attn_q_proj", into=1280),
        },
        "sdxl",
        "kohya",
    ),
    "sdxl diffusers text encoder": (
        peft("text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj", into=1280),
        "sdxl",
        "diffusers",
    ),
    "sd1 diffusers text encoder": (
        peft("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", into=768, out=768),
        "sd1",
        "diffusers",
    ),
    "second block is deep, first is not": (lora(f"{BLOCK[:-1]}1_attn1_to_q", into=640), "unknown", "kohya"),
    "third block is deep": (lora(f"{BLOCK[:-1]}2_attn1_to_q", into=640), "sdxl", "kohya"),
    "cross-attention of an unknown width": (lora(K, into=512), "unknown", "kohya"),
    "cross-attention of two families": (
        {**lora(K, into=768), **lora(K.replace("to_k", "to_v"), into=2048)},
        "unknown",
        "kohya",
    ),
    "sd3 x_block kohya": (lora("lora_unet_joint_blocks_23_x_block_mlp_fc1", into=1536), "sd3", "kohya"),
    "qwen text side": (
        peft("transformer.transformer_blocks.0.txt_mlp.net.0.proj", into=3072),
        "qwen-image",
        "diffusers",
    ),
    "qwen is not qwen with single blocks": (
        {
            **peft("transformer.transformer_blocks.40.attn.to_q", into=3072),
            **peft("transformer.single_transformer_blocks.0.attn.to_q", into=3072),
        },
        "flux1",
        "diffusers",
    ),
    "z-image noise refiner": (peft("diffusion_model.noise_refiner.0.attention.to_v", into=3840), "z-image", "comfyui"),
    "z-image's names in Lumina's width": (
        peft("diffusion_model.layers.0.attention.qkv", into=2304),
        "unknown",
        "comfyui",
    ),
    "Lumina's refiner": (peft("diffusion_model.context_refiner.0.attention.qkv", into=2304), "unknown", "comfyui"),
    "wan feed-forward": (peft("diffusion_model.blocks.0.ffn.0", into=5120), "wan", "comfyui"),
    "wan kohya": (lora("lora_unet_blocks_0_self_attn_q", into=1536), "wan", "kohya"),
    "transformer blocks of another video model": (
        peft("transformer.transformer_blocks.0.attn1.to_q", into=2048),
        "unknown",
        "diffusers",
    ),
    "onetrainer sd1": (lora("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"), "sd1", "kohya"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_and_layout_recognised(name: str, tmp_path: Path) -> None:
    shapes, family, layout = FAMILIES[name]
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert (found.family, found.layout) == (family, layout)
    assert found.family_evidence
    assert ("family-unknown" in {warning.code for warning in found.warnings}) == (family == "unknown")


PARTS = [
    # text-encoder module beside a FLUX.1 one, the part it is counted in
    ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", "text_encoder"),
    ("lora_te2_encoder_block_0_layer_0_SelfAttention_q", "text_encoder_2"),
    ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", "text_encoder_3"),
    ("text_encoder_2.encoder.block.0.layer.0.SelfAttention.q", "text_encoder_2"),
    ("text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q", "text_encoder_3"),
    ("text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoder_2"),
    ("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoder"),
]


@pytest.mark.parametrize(("module", "part"), PARTS)
def test_part_of_the_pipeline_told(module: str, part: str, tmp_path: Path) -> None:
    shapes = {**lora("lora_unet_double_blocks_0_img_attn_qkv", into=3072), **lora(module, into=4096)}
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert found.modules == {"transformer": 1, part: 1}
