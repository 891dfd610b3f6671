"""Between pixels and latents, for both kinds of autoencoders: the variational one and the tiny one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Moments = dict[str, Tensor]
"""What the encoder says of pictures: `mean` (n, c, h, w), and `std` of the same shape where the encoder has one."""


@torch.no_grad()
def encode(vae: Any, pixels: Tensor) -> Moments:
    """(n, 3, height, width) in -1..1 → moments, before scaling. Float32, outside of any autocast."""
    with torch.autocast(pixels.device.type, enabled=False):
        out = vae.encode(pixels.float())
    if hasattr(out, "latent_dist"):
        return {"mean": out.latent_dist.mean.float(), "std": out.latent_dist.std.float()}
    return {"mean": out.latents.float()}


def draw(vae: Any, moments: Moments, chance: Tensor) -> Tensor:
    """Latents as the denoiser knows them; `chance` is standard normal noise of their shape."""
    mean = moments["mean"]
    latents = mean + moments["std"] * chance if "std" in moments else mean
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    scaled: Tensor = (latents - shift) * float(vae.config.scaling_factor)
    return scaled


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """Latents → (n, 3, height, width) in 0..1."""
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    with torch.autocast(latents.device.type, enabled=False):
        pixels = vae.decode(latents.float() / float(vae.config.scaling_factor) + shift).sample
    clipped: Tensor = (pixels / 2 + 0.5).clamp(0, 1)
    return clipped
