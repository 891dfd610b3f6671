"""The autoencoder: diffusers' AutoencoderTiny, four latents at a quarter of the size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from training.tinybase.untyped import Vae


def make_vae() -> Vae:
    """0.18 million parameters; 64 × 64 pixels become 16 × 16 × 4 latents."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(0, 1, 1),
        num_decoder_blocks=(2, 1, 0),
        latent_channels=4,
    )


def to_signal(pictures: Tensor) -> Tensor:
    """(n, 64, 64, 3) uint8 → (n, 3, 64, 64) in -1..1."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def train_vae(
    vae: Vae,
    pictures: Tensor,
    *,
    steps: int,
    decoder_only: bool,
    batch: int = 16,
    rate: float = 2e-3,
    report: Callable[[int, int, float], None],
) -> None:
    """Reconstruct; with `decoder_only` the latents stay as they are and only the drawing gets better."""
    parameters = list(vae.decoder.parameters() if decoder_only else vae.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(steps):
        signal = to_signal(pictures[torch.randint(len(pictures), (batch,))])
        with torch.no_grad() if decoder_only else torch.enable_grad():
            latents = vae.encode(signal).latents
        drawn = vae.decode(latents).sample
        error = drawn - signal
        loss = error.square().mean() + 0.2 * error.abs().mean()
        if not decoder_only:
            loss = loss + 1e-3 * latents.square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        report(step + 1, steps, float(error.detach().square().mean()))


@torch.no_grad()
def encode_all(vae: Vae, pictures: Tensor, *, batch: int = 256) -> Tensor:
    """Latents of all pictures, (n, 4, 16, 16) float16, before scaling."""
    return torch.cat([vae.encode(to_signal(part)).latents.half() for part in pictures.split(batch)])


@torch.no_grad()
def psnr(vae: Vae, pictures: Tensor) -> float:
    """Peak signal-to-noise ratio of the reconstruction, dB."""
    signal = to_signal(pictures)
    error = (vae.decode(vae.encode(signal).latents).sample.clamp(-1, 1) - signal).square().mean()
    return float(10 * torch.log10(4 / error))
