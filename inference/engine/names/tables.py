"""Names of transformer layers outside diffusers, as data: what a layer is called there, and where it is here.

A fused layer (one `qkv`) stands for several modules here, whose rows it holds one below the other.
Sources: black-forest-labs/flux `model.py`, Stability-AI/sd3-ref `mmditx.py`, and diffusers' conversion scripts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Layers = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Blocks:
    """One kind of numbered block: `theirs.N.…` is `ours.N.…`."""

    theirs: str
    ours: str
    layers: Layers


@dataclass(frozen=True)
class Table:
    """All the names of one transformer architecture."""

    blocks: tuple[Blocks, ...]
    layers: Layers


_IMAGE = ("attn.to_q", "attn.to_k", "attn.to_v")
_TEXT = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

FLUX = Table(
    blocks=(
        Blocks(
            "double_blocks",
            "transformer_blocks",
            {
                "img_attn.qkv": _IMAGE,
                "img_attn.proj": ("attn.to_out.0",),
                "img_attn.norm.query_norm": ("attn.norm_q",),
                "img_attn.norm.key_norm": ("attn.norm_k",),
                "img_mlp.0": ("ff.net.0.proj",),
                "img_mlp.2": ("ff.net.2",),
                "img_mod.lin": ("norm1.linear",),
                "txt_attn.qkv": _TEXT,
                "txt_attn.proj": ("attn.to_add_out",),
                "txt_attn.norm.query_norm": ("attn.norm_added_q",),
                "txt_attn.norm.key_norm": ("attn.norm_added_k",),
                "txt_mlp.0": ("ff_context.net.0.proj",),
                "txt_mlp.2": ("ff_context.net.2",),
                "txt_mod.lin": ("norm1_context.linear",),
                # XLabs' attention processors
                "processor.qkv_lora1": _IMAGE,
                "processor.qkv_lora2": _TEXT,
                "processor.proj_lora1": ("attn.to_out.0",),
                "processor.proj_lora2": ("attn.to_add_out",),
            },
        ),
        Blocks(
            "single_blocks",
            "single_transformer_blocks",
            {
                "linear1": (*_IMAGE, "proj_mlp"),
                "linear2": ("proj_out",),
                "modulation.lin": ("norm.linear",),
                "norm.query_norm": ("attn.norm_q",),
                "norm.key_norm": ("attn.norm_k",),
                "processor.qkv_lora": _IMAGE,
                "processor.proj_lora": ("proj_out",),
            },
        ),
    ),
    layers={
        "img_in": ("x_embedder",),
        "txt_in": ("context_embedder",),
        "time_in.in_layer": ("time_text_embed.timestep_embedder.linear_1",),
        "time_in.out_layer": ("time_text_embed.timestep_embedder.linear_2",),
        "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
        "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
        "guidance_in.in_layer": ("time_text_embed.guidance_embedder.linear_1",),
        "guidance_in.out_layer": ("time_text_embed.guidance_embedder.linear_2",),
        "final_layer.linear": ("proj_out",),
        "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    },
)

SD3 = Table(
    blocks=(
        Blocks(
            "joint_blocks",
            "transformer_blocks",
            {
                "x_block.attn.qkv": _IMAGE,
                "x_block.attn.proj": ("attn.to_out.0",),
                "x_block.attn.ln_q": ("attn.norm_q",),
                "x_block.attn.ln_k": ("attn.norm_k",),
                "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
                "x_block.attn2.proj": ("attn2.to_out.0",),
                "x_block.attn2.ln_q": ("attn2.norm_q",),
                "x_block.attn2.ln_k": ("attn2.norm_k",),
                "x_block.mlp.fc1": ("ff.net.0.proj",),
                "x_block.mlp.fc2": ("ff.net.2",),
                "x_block.adaLN_modulation.1": ("norm1.linear",),
                "context_block.attn.qkv": _TEXT,
                "context_block.attn.proj": ("attn.to_add_out",),
                "context_block.attn.ln_q": ("attn.norm_added_q",),
                "context_block.attn.ln_k": ("attn.norm_added_k",),
                "context_block.mlp.fc1": ("ff_context.net.0.proj",),
                "context_block.mlp.fc2": ("ff_context.net.2",),
                "context_block.adaLN_modulation.1": ("norm1_context.linear",),
            },
        ),
    ),
    layers={
        "x_embedder.proj": ("pos_embed.proj",),
        "context_embedder": ("context_embedder",),
        "t_embedder.mlp.0": ("time_text_embed.timestep_embedder.linear_1",),
        "t_embedder.mlp.2": ("time_text_embed.timestep_embedder.linear_2",),
        "y_embedder.mlp.0": ("time_text_embed.text_embedder.linear_1",),
        "y_embedder.mlp.2": ("time_text_embed.text_embedder.linear_2",),
        "final_layer.linear": ("proj_out",),
        "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    },
)

FLUX2 = Table(
    blocks=(
        Blocks(
            "double_blocks",
            "transformer_blocks",
            {
                "img_attn.qkv": _IMAGE,
                "img_attn.proj": ("attn.to_out.0",),
                "img_attn.norm.query_norm": ("attn.norm_q",),
                "img_attn.norm.key_norm": ("attn.norm_k",),
                "img_mlp.0": ("ff.linear_in",),
                "img_mlp.2": ("ff.linear_out",),
                "txt_attn.qkv": _TEXT,
                "txt_attn.proj": ("attn.to_add_out",),
                "txt_attn.norm.query_norm": ("attn.norm_added_q",),
                "txt_attn.norm.key_norm": ("attn.norm_added_k",),
                "txt_mlp.0": ("ff_context.linear_in",),
                "txt_mlp.2": ("ff_context.linear_out",),
            },
        ),
        Blocks(
            "single_blocks",
            "single_transformer_blocks",
            {
                "linear1": ("attn.to_qkv_mlp_proj",),
                "linear2": ("attn.to_out",),
                "norm.query_norm": ("attn.norm_q",),
                "norm.key_norm": ("attn.norm_k",),
            },
        ),
    ),
    layers={
        "img_in": ("x_embedder",),
        "txt_in": ("context_embedder",),
        "time_in.in_layer": ("time_guidance_embed.timestep_embedder.linear_1",),
        "time_in.out_layer": ("time_guidance_embed.timestep_embedder.linear_2",),
        "guidance_in.in_layer": ("time_guidance_embed.guidance_embedder.linear_1",),
        "guidance_in.out_layer": ("time_guidance_embed.guidance_embedder.linear_2",),
        "double_stream_modulation_img.lin": ("double_stream_modulation_img.linear",),
        "double_stream_modulation_txt.lin": ("double_stream_modulation_txt.linear",),
        "single_stream_modulation.lin": ("single_stream_modulation.linear",),
        "final_layer.linear": ("proj_out",),
        "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    },
)

WAN = Table(
    blocks=(
        Blocks(
            "blocks",
            "blocks",
            {
                **{f"self_attn.{part}": (f"attn1.to_{part}",) for part in "qkv"},
                **{f"cross_attn.{part}": (f"attn2.to_{part}",) for part in "qkv"},
                "self_attn.o": ("attn1.to_out.0",),
                "cross_attn.o": ("attn2.to_out.0",),
                "cross_attn.k_img": ("attn2.add_k_proj",),
                "cross_attn.v_img": ("attn2.add_v_proj",),
                "cross_attn.norm_k_img": ("attn2.norm_added_k",),
                **{f"self_attn.norm_{part}": (f"attn1.norm_{part}",) for part in "qk"},
                **{f"cross_attn.norm_{part}": (f"attn2.norm_{part}",) for part in "qk"},
                "norm3": ("norm2",),
                "ffn.0": ("ffn.net.0.proj",),
                "ffn.2": ("ffn.net.2",),
            },
        ),
    ),
    layers={
        "patch_embedding": ("patch_embedding",),
        "time_embedding.0": ("condition_embedder.time_embedder.linear_1",),
        "time_embedding.2": ("condition_embedder.time_embedder.linear_2",),
        "text_embedding.0": ("condition_embedder.text_embedder.linear_1",),
        "text_embedding.2": ("condition_embedder.text_embedder.linear_2",),
        "time_projection.1": ("condition_embedder.time_proj",),
        "head.head": ("proj_out",),
    },
)

Z_IMAGE = Table(
    blocks=tuple(
        Blocks(
            name,
            name,
            {
                "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
                "attention.out": ("attention.to_out.0",),
                "attention.q_norm": ("attention.norm_q",),
                "attention.k_norm": ("attention.norm_k",),
            },
        )
        for name in ("layers", "context_refiner", "noise_refiner")
    ),
    layers={
        "x_embedder": ("all_x_embedder.2-1",),
        "final_layer.linear": ("all_final_layer.2-1.linear",),
        "final_layer.adaLN_modulation.1": ("all_final_layer.2-1.adaLN_modulation.1",),
    },
)

TABLES: tuple[Table, ...] = (FLUX, SD3, FLUX2, WAN, Z_IMAGE)
