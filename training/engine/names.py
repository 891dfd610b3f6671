"""What a layer is called in adapter files: kohya's names, LyCORIS' and diffusers'.

Kohya's trainers work on the original code of each family, so files carry its names: for SD 1 and 2 those of diffusers,
for SDXL those of sgm, for FLUX.1 those of Black Forest Labs, whose fused layers stand for several layers here.
Sources: kohya-ss/sd-scripts `lora.py`, `lora_flux.py`; black-forest-labs/flux `model.py`; diffusers' conversions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_RESNET = {
    "conv1": "in_layers_2",
    "time_emb_proj": "emb_layers_1",
    "conv2": "out_layers_3",
    "conv_shortcut": "skip_connection",
}
_ENCODERS = {
    "sdxl": {"text_encoder": "lora_te1", "text_encoder_2": "lora_te2"},
    "flux1": {"text_encoder": "lora_te1"},
}
_IMAGE = ("attn.to_q", "attn.to_k", "attn.to_v")
_TEXT = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")
_DOUBLE: Mapping[str, tuple[str, ...]] = {
    "img_attn_qkv": _IMAGE,
    "img_attn_proj": ("attn.to_out.0",),
    "img_mlp_0": ("ff.net.0.proj",),
    "img_mlp_2": ("ff.net.2",),
    "txt_attn_qkv": _TEXT,
    "txt_attn_proj": ("attn.to_add_out",),
    "txt_mlp_0": ("ff_context.net.0.proj",),
    "txt_mlp_2": ("ff_context.net.2",),
}
_SINGLE: Mapping[str, tuple[str, ...]] = {"linear1": (*_IMAGE, "proj_mlp"), "linear2": ("proj_out",)}
_BLOCKS = (("transformer_blocks", "double_blocks", _DOUBLE), ("single_transformer_blocks", "single_blocks", _SINGLE))


def kohya_name(family: str, component: str, path: str, unet: Any) -> str:
    """The name of one layer, for families without fused layers, and of text encoders of all."""
    if component.startswith("text_encoder"):
        prefix = _ENCODERS.get(family, {}).get(component, "lora_te")
        return f"{prefix}_text_model_{path.removeprefix('text_model.').replace('.', '_')}"
    flat = _sgm(path, unet) if family == "sdxl" else path.replace(".", "_")
    return f"lora_unet_{flat}"


def lycoris_name(component: str, path: str, family: str) -> str:
    """LyCORIS' generic name, which SimpleTuner and ComfyUI read for transformers."""
    if component.startswith("text_encoder"):
        return kohya_name(family, component, path, None)
    return f"lycoris_{path.replace('.', '_')}"


def diffusers_name(component: str, path: str) -> str:
    """As diffusers' `save_lora_weights` writes it."""
    return f"{component}.{path}"


def fused_names(paths: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """kohya's name → the layers of FLUX.1's transformer it stands for, in the order of their rows.

    Only names with at least one layer among `paths` are given, but then with all their layers.
    """
    found: dict[str, tuple[str, ...]] = {}
    for ours, theirs, table in _BLOCKS:
        numbers = {int(path.split(".")[1]) for path in paths if path.startswith(f"{ours}.")}
        for number in sorted(numbers):
            for name, parts in table.items():
                layers = tuple(f"{ours}.{number}.{part}" for part in parts)
                if not paths.isdisjoint(layers):
                    found[f"lora_unet_{theirs}_{number}_{name}"] = layers
    return found


def _sgm(path: str, unet: Any) -> str:
    """The name of a UNet's layer in sgm, which counts input and output blocks through all levels."""
    match = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", path)
    if match is None:
        return _middle(path)
    side, level, kind, place, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    layers = [len(block.resnets) for block in (unet.down_blocks if side == "down" else unet.up_blocks)]
    if side == "down":
        first = 1 + sum(layers[:level]) + level  # each level but the last ends in one block that halves the size
        number, name = first + (layers[level] if kind == "downsamplers" else place), "input_blocks"
    else:
        first = sum(layers[:level])
        number, name = first + (layers[level] - 1 if kind == "upsamplers" else place), "output_blocks"
    return f"{name}_{number}_{_inside(kind, rest, unet, level)}"


def _inside(kind: str, rest: str, unet: Any, level: int) -> str:
    if kind == "resnets":
        return f"0_{_RESNET[rest]}"
    if kind == "attentions":
        return f"1_{rest.replace('.', '_')}"
    if kind == "downsamplers":
        return "0_op"
    return f"{2 if getattr(unet.up_blocks[level], 'attentions', None) else 1}_conv"


def _middle(path: str) -> str:
    kind, place, rest = path.removeprefix("mid_block.").split(".", 2)
    if kind == "attentions":
        return f"middle_block_1_{rest.replace('.', '_')}"
    return f"middle_block_{2 * int(place)}_{_RESNET[rest]}"
