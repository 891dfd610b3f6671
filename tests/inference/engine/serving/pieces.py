"""Adapter files and requests for the serving tests."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from inference.engine import RenderRequest, applied, read_adapter, render
from inference.engine.serving import AdapterUse, Request
from tests.inference.engine.changes import random

ATTN = "down_blocks.1.attentions.0.transformer_blocks.0"
TEXT = "encoder.layers.0.mlp.fc1"
SMALL = {"steps": 2, "width": 32, "height": 32, "guidance": 3.0}


def written(folder: Path, tensors: Mapping[str, Tensor], name: str) -> AdapterUse:
    """The file with its key, as a request names it."""
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return AdapterUse(hashlib.sha256(path.read_bytes()).hexdigest(), path)


def lora(layer: Any, name: str, seed: int, strength: float = 4.0) -> dict[str, Tensor]:
    shape = layer.weight.shape
    return {
        f"{name}.lora_A.weight": strength * random(3, *shape[1:], seed=seed),
        f"{name}.lora_B.weight": strength * random(shape[0], 3, *[1] * (len(shape) - 2), seed=seed + 50),
    }


def on_unet(pipe: Any, seed: int, *, text: bool = False) -> dict[str, Tensor]:
    """LoRA on attention, feed-forward and a convolution, and on the text encoder where it is wanted."""
    paths = (f"{ATTN}.attn1.to_q", f"{ATTN}.attn2.to_k", f"{ATTN}.ff.net.2", "down_blocks.1.resnets.0.conv1")
    tensors: dict[str, Tensor] = {}
    for number, path in enumerate(paths):
        tensors |= lora(pipe.unet.get_submodule(path), f"unet.{path}", seed + number)
    if text:
        tensors |= lora(pipe.text_encoder.get_submodule(TEXT), f"text_encoder.{TEXT}", seed + 20)
    return tensors


def alone(pipe: Any, request: Request) -> np.ndarray:
    """The picture of a request by nested `applied` and `render`."""
    names = ("prompt", "negative", "seed", "steps", "guidance", "width", "height")
    plain = RenderRequest(**{name: getattr(request, name) for name in names})
    return np.asarray(_nested(pipe, list(request.adapters), plain)).astype(int)


def _nested(pipe: Any, uses: list[AdapterUse], request: RenderRequest) -> Image.Image:
    if not uses:
        return render(pipe, request)
    first, *rest = uses
    with applied(pipe, read_adapter(first.path, token=first.token), first.weight, first.text_weight):
        return _nested(pipe, rest, request)


def same(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> bool:
    """Whether the largest difference is at most this share of the largest number."""
    return float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def numbers(tensor: Any) -> Tensor:
    return torch.as_tensor(tensor).float()
