"""Pipelines of real sizes with random weights, their inputs, and adapter files for them: for `benchmarks.serving`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from inference.engine.serving import AdapterUse

SIZES: Mapping[str, Mapping[str, Any]] = {
    "sd1": {"cross_attention_dim": 768},
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "flux": {"guidance_embeds": True},
}


def make(size: str, device: str) -> Any:
    """A pipeline of this size; float32 on a CPU, bfloat16 on a GPU."""
    torch.manual_seed(0)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    kind = FluxTransformer2DModel if size == "flux" else UNet2DConditionModel
    with init_empty_weights():
        denoiser = kind(**SIZES[size])
    denoiser = _filled(denoiser.to(dtype).to_empty(device=device))
    words = _words()
    steps = DDIMScheduler(steps_offset=1, clip_sample=False)
    text = CLIPTextModel(_text(768, 12, words)).to(device, dtype)
    common = {"vae": AutoencoderTiny().to(device, dtype), "text_encoder": text, "tokenizer": words}
    if size == "flux":
        flow = FlowMatchEulerDiscreteScheduler()
        pipe: Any = FluxPipeline(**common, transformer=denoiser, scheduler=flow, text_encoder_2=None, tokenizer_2=None)
    elif size == "sdxl":
        second = CLIPTextModelWithProjection(_text(1280, 32, words)).to(device, dtype)
        pipe = StableDiffusionXLPipeline(
            **common,
            unet=denoiser,
            scheduler=steps,
            text_encoder_2=second,
            tokenizer_2=words,
            add_watermarker=False,
        )
    else:
        pipe = StableDiffusionPipeline(
            **common,
            unet=denoiser,
            scheduler=steps,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    for component in pipe.components.values():
        if isinstance(component, nn.Module):
            component.eval().requires_grad_(False)
    return pipe


def _filled(module: nn.Module) -> nn.Module:
    """Random numbers of the size that keeps activations where they were."""
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 1 / math.sqrt(parameter.shape[1:].numel()))
        else:
            parameter.data.fill_(0.0 if name.endswith("bias") else 1.0)
    return module


def _words() -> CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={one: n for n, one in enumerate(pieces)}, merges=[], model_max_length=77)


def _text(width: int, depth: int, words: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=depth,
        num_attention_heads=width // 64,
        projection_dim=width,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )


def inputs(pipe: Any, size: str, side: int, *, rows: int) -> dict[str, Any]:
    """What the denoiser gets at one step: `rows` pictures, each with and without prompt (FLUX knows no without)."""
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    weight = next(denoiser.parameters())

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(1)).to(weight)

    if size == "flux":
        tokens = (side // 2) ** 2
        return {
            "hidden_states": random(rows, tokens, 64),
            "encoder_hidden_states": random(rows, 512, 4096),
            "pooled_projections": random(rows, 768),
            "timestep": torch.full((rows,), 0.5).to(weight),
            "guidance": torch.full((rows,), 3.5).to(weight),
            "img_ids": torch.zeros(tokens, 3).to(weight),
            "txt_ids": torch.zeros(512, 3).to(weight),
        }
    found: dict[str, Any] = {
        "sample": random(2 * rows, 4, side, side),
        "timestep": torch.tensor(500, device=weight.device),
        "encoder_hidden_states": random(2 * rows, 77, denoiser.config.cross_attention_dim),
    }
    if size == "sdxl":
        found["added_cond_kwargs"] = {"text_embeds": random(2 * rows, 1280), "time_ids": random(2 * rows, 6)}
    return found


def write_lora(pipe: Any, folder: Path, seed: int, rank: int) -> AdapterUse:
    """A file as kohya's trainer writes it: all linear layers of the transformer blocks, and of the text encoder."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, layer in _layers(pipe):
        out, inside = layer.weight.shape[:2]
        point = [1] * (layer.weight.dim() - 2)
        up = torch.randn(out, rank, *point, generator=generator) * 0.05 / math.sqrt(rank)
        down = torch.randn(rank, inside, *point, generator=generator) / math.sqrt(inside)
        tensors |= {f"{name}.lora_up.weight": up.half(), f"{name}.lora_down.weight": down.half()}
        tensors[f"{name}.alpha"] = torch.tensor(float(rank)).half()
    path = folder / f"lora{seed}.safetensors"
    save_file(tensors, path)
    return AdapterUse(hashlib.sha256(path.read_bytes()).hexdigest(), path)


def _layers(pipe: Any) -> list[tuple[str, nn.Module]]:
    if getattr(pipe, "transformer", None) is not None:
        found = [("lora_transformer", path, layer) for path, layer in pipe.transformer.named_modules()]
        chosen = [one for one in found if ".attn." in one[1] or ".ff" in one[1]]
    else:
        found = [("lora_unet", path, layer) for path, layer in pipe.unet.named_modules()]
        chosen = [one for one in found if ".attentions." in one[1]]
        text = [("lora_te", path, layer) for path, layer in pipe.text_encoder.named_modules()]
        chosen += [one for one in text if ".layers." in one[1]]
    return [
        (f"{prefix}_{path}".replace(".", "_"), layer)
        for prefix, path, layer in chosen
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))
    ]
