"""How latents look by now: small pictures while sampling goes on, without decoding them.

A tiny autoencoder decodes in milliseconds and is used itself. Of any other its best linear stand-in is used: for each
channel of the latents what it does to red, green and blue, fitted once by decoding a few plain latents.
"""

from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

_PROBES_PER_CHANNEL = 4
_SIDE = 4
"""Latents of this width and height are decoded for the fit; what counts is their mean colour."""


class Looks:
    """Pictures of latents for one pipeline."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._fit: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def pictures(self, latents: Tensor, width: int, height: int) -> list[Image.Image]:
        """One for each row of latents, as the pipeline keeps them for pictures of this size."""
        latents = self._unpacked(latents, width, height)
        vae = self._pipe.vae
        colours = self._decoded(latents) if isinstance(vae, AutoencoderTiny) else self._linear(latents)
        pixels = ((colours.float() / 2 + 0.5).clamp(0, 1) * 255).nan_to_num(0).round().byte()
        return [Image.fromarray(np.ascontiguousarray(one.permute(1, 2, 0).cpu().numpy())) for one in pixels]

    def _unpacked(self, latents: Tensor, width: int, height: int) -> Tensor:
        """FLUX and its like keep latents as a row of 2 × 2 patches."""
        if latents.dim() == 4:
            return latents
        unpacked: Tensor = self._pipe._unpack_latents(latents, height, width, self._pipe.vae_scale_factor)
        return unpacked.squeeze(2) if unpacked.dim() == 5 else unpacked

    def _decoded(self, latents: Tensor) -> Tensor:
        vae = self._pipe.vae
        scaled = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)
        decoded: Tensor = vae.decode(scaled.to(vae.dtype), return_dict=False)[0]
        return decoded

    def _linear(self, latents: Tensor) -> Tensor:
        if self._fit is None:
            self._fit = self._fitted(latents.shape[1])
        colours, offset = (part.to(latents.device) for part in self._fit)
        return torch.einsum("b c h w, c k -> b k h w", latents.float(), colours) + offset[:, None, None]

    def _fitted(self, channels: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator("cpu").manual_seed(0)
        probes = torch.randn(_PROBES_PER_CHANNEL * channels, channels, generator=generator)
        device = next(self._pipe.vae.parameters()).device
        plain = [probe[None, :, None, None].expand(1, channels, _SIDE, _SIDE).to(device) for probe in probes]
        colours = torch.cat([self._decoded(one).float().mean((2, 3)).cpu() for one in plain])
        known = torch.cat([probes, torch.ones(len(probes), 1)], dim=1)
        solved = torch.linalg.lstsq(known, colours).solution
        return solved[:-1], solved[-1]
