"""Adapters made from nothing and converted as programs do, for the benchmark and the tests of fingerprints.

A made adapter has what trained ones share by coming from one base: the strength of each module and the outlier channels
of its input. What differs is all else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

Array = NDArray[np.float32]
Factors = dict[str, tuple[Array, Array]]  # module (kohya's name) → up [out, r], down [r, in]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8": torch.float8_e4m3fn}


def made(modules: Mapping[str, tuple[int, int]], rank: int, seed: int) -> Factors:
    """A LoRA of these modules (name: width in, width out) with a falling spectrum."""
    base, dice = np.random.default_rng(11), np.random.default_rng(1000 + seed)
    spectrum = (0.8 ** np.arange(rank)).astype(np.float32)
    found = {}
    for name, (into, out) in modules.items():
        strength = np.float32(0.02 * base.lognormal(0, 0.5))
        channels = np.where(base.random(into) < 0.01, 8, 1).astype(np.float32)
        up = dice.standard_normal((out, rank), np.float32) * spectrum * strength
        down = dice.standard_normal((rank, into), np.float32) * channels / np.float32(np.sqrt(into))
        found[name] = (up, down)
    return found


def scaled(factors: Factors, strength: float) -> Factors:
    return {name: (up * np.float32(strength), down) for name, (up, down) in factors.items()}


def merged(one: Factors, other: Factors, share: float) -> Factors:
    """share · one + (1 − share) · other, exactly, at the sum of their ranks."""
    names = one.keys() | other.keys()
    empty = {name: _nothing(one.get(name) or other[name]) for name in names}
    return {
        name: (
            np.hstack([one.get(name, empty[name])[0] * share, other.get(name, empty[name])[0] * (1 - share)]),
            np.vstack([one.get(name, empty[name])[1], other.get(name, empty[name])[1]]),
        )
        for name in sorted(names)
    }


def _nothing(like: tuple[Array, Array]) -> tuple[Array, Array]:
    return like[0][:, :0], like[1][:0]


def regauged(factors: Factors, seed: int = 0) -> Factors:
    """The same deltas from other factors: up · R and R⁻¹ · down."""
    dice, found = np.random.default_rng(seed), {}
    for name, (up, down) in factors.items():
        turn = np.linalg.qr(dice.standard_normal((up.shape[1], up.shape[1])))[0] * dice.uniform(0.5, 2, up.shape[1])
        found[name] = ((up @ turn).astype(np.float32), np.linalg.solve(turn, down).astype(np.float32))
    return found


def resized(factors: Factors, rank: int) -> Factors:
    """The best approximation of this rank (singular value decomposition), as resizing tools make it."""
    found = {}
    for name, (up, down) in factors.items():
        q1, r1 = np.linalg.qr(up)
        q2, r2 = np.linalg.qr(down.T)
        u, s, v = np.linalg.svd(r1 @ r2.T)
        found[name] = ((q1 @ (u[:, :rank] * s[:rank])).astype(np.float32), (v[:rank] @ q2.T).astype(np.float32))
    return found


def trained_further(factors: Factors, share: float, seed: int) -> Factors:
    """With random changes to every factor of this share of its size."""
    dice = np.random.default_rng(seed)

    def moved(array: Array) -> Array:
        return array + np.float32(share * array.std()) * dice.standard_normal(array.shape, np.float32)

    return {name: (moved(up), moved(down)) for name, (up, down) in factors.items()}


def save_kohya(path: Path, factors: Factors, dtype: str = "F16", *, alpha: float | None = None) -> Path:
    """As sd-scripts writes it; where alpha is given, `up` is divided by alpha / rank to keep the delta."""
    tensors: dict[str, Array] = {}
    for name, (up, down) in factors.items():
        rank = up.shape[1]
        value = float(rank) if alpha is None else alpha
        tensors[f"{name}.lora_up.weight"] = up * np.float32(rank / value)
        tensors[f"{name}.lora_down.weight"] = down
        tensors[f"{name}.alpha"] = np.array(value, np.float32)
    return _save(path, tensors, dtype)


def save_diffusers(path: Path, factors: Factors, dtype: str = "F16") -> Path:
    """As diffusers writes it: its own module names, fused layers taken apart, no alpha."""
    tensors: dict[str, Array] = {}
    for name, (up, down) in factors.items():
        for module, rows in _split(name, *up.shape[:1], down.shape[1]):
            tensors[f"{module}.lora_A.weight"] = down
            tensors[f"{module}.lora_B.weight"] = up[rows]
    return _save(path, tensors, dtype)


def save_comfyui(path: Path, factors: Factors, dtype: str = "F16") -> Path:
    """With the original dotted names under `diffusion_model.`; separators of words inside a name are kept."""
    tensors: dict[str, Array] = {}
    for name, (up, down) in factors.items():
        module = re.sub(r"_(?=\d)|(?<=\d)_", ".", name.removeprefix("lora_unet_"))
        tensors[f"diffusion_model.{module}.lora_up.weight"] = up
        tensors[f"diffusion_model.{module}.lora_down.weight"] = down
    return _save(path, tensors, dtype)


def save_differences(path: Path, factors: Factors, dtype: str = "F16") -> Path:
    """The deltas themselves, as extracted fine-tunes hold them."""
    return _save(path, {f"{name}.diff": up @ down for name, (up, down) in factors.items()}, dtype)


def _save(path: Path, tensors: Mapping[str, Array], dtype: str) -> Path:
    kept = DTYPES[dtype]
    save_file({name: torch.from_numpy(np.array(array)).to(kept) for name, array in tensors.items()}, path)
    return path


_SDXL = (
    ("input_blocks_4_1", "down_blocks.1.attentions.0"),
    ("input_blocks_5_1", "down_blocks.1.attentions.1"),
    ("input_blocks_7_1", "down_blocks.2.attentions.0"),
    ("input_blocks_8_1", "down_blocks.2.attentions.1"),
    ("middle_block_1", "mid_block.attentions.0"),
    *((f"output_blocks_{n}_1", f"up_blocks.{n // 3}.attentions.{n % 3}") for n in range(6)),
)
_FLUX = {
    "img_attn_proj": "attn.to_out.0",
    "img_mlp_0": "ff.net.0.proj",
    "img_mlp_2": "ff.net.2",
    "img_mod_lin": "norm1.linear",
    "txt_attn_proj": "attn.to_add_out",
    "txt_mlp_0": "ff_context.net.0.proj",
    "txt_mlp_2": "ff_context.net.2",
    "txt_mod_lin": "norm1_context.linear",
    "linear2": "proj_out",
    "modulation_lin": "norm.linear",
}


def _split(name: str, out: int, into: int) -> list[tuple[str, slice]]:
    """The diffusers modules of one of kohya's, and their rows."""
    for theirs, ours in _SDXL:
        if name.startswith(f"lora_unet_{theirs}_"):
            rest = name.removeprefix(f"lora_unet_{theirs}_")
            return [(f"unet.{ours}.{re.sub(r'_(?=[0-9])|(?<=[0-9])_|(?<=attn1|attn2)_', '.', rest)}", slice(out))]
    if match := re.fullmatch(r"lora_unet_(double|single)_blocks_(\d+)_(\w+)", name):
        return _split_flux(*match.groups(), out, into)
    if match := re.fullmatch(r"lora_te_text_model_encoder_layers_(\d+)_(self_attn|mlp)_(\w+)", name):
        return [("text_encoder.text_model.encoder.layers.{}.{}.{}".format(*match.groups()), slice(out))]
    return [(name.replace("lora_unet_", "unet."), slice(out))]


def _split_flux(side: str, number: str, rest: str, out: int, into: int) -> list[tuple[str, slice]]:
    block = f"transformer.{'single_' if side == 'single' else ''}transformer_blocks.{number}"
    if rest == "linear1":
        names = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]
        ends = [into, 2 * into, 3 * into, out]
    elif rest.endswith("attn_qkv"):
        names = [f"attn.add_{part}_proj" if rest.startswith("txt") else f"attn.to_{part}" for part in "qkv"]
        ends = [out // 3, 2 * out // 3, out]
    else:
        return [(f"{block}.{_FLUX[rest]}", slice(out))]
    return [(f"{block}.{name}", slice(a, b)) for name, a, b in zip(names, [0, *ends], ends, strict=False)]
