"""Small adapter files, written by hand."""

import json
import random
import struct
from typing import Any


def safetensors_bytes(tensors: dict[str, tuple[list[int], bytes]], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file of F32 tensors, written by hand: name → (shape, bytes)."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(data for _, data in tensors.values())


def _numbers(dice: random.Random, count: int) -> bytes:
    return struct.pack(f"<{count}f", *(dice.gauss(0, 0.01) for _ in range(count)))


def lora_bytes(*, width: int = 96, rank: int = 4, seed: int = 1, metadata: dict[str, str] | None = None) -> bytes:
    """A small kohya LoRA on one cross-attention; `width` 96 is the tinybase's, 768 that of SD 1.x."""
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    out = width
    dice = random.Random(seed)  # other seeds, other weights: not the same ones scaled
    return safetensors_bytes(
        {
            f"{module}.lora_down.weight": ([rank, width], _numbers(dice, rank * width)),
            f"{module}.lora_up.weight": ([out, rank], _numbers(dice, out * rank)),
            f"{module}.alpha": ([], struct.pack("<f", float(rank))),
        },
        metadata or {"ss_network_module": "networks.lora", "ss_network_dim": str(rank)},
    )
