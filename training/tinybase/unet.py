"""The denoiser: a small UNet2DConditionModel trained on v-prediction, together with the text encoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.tinybase.text import WIDTH
from training.tinybase.untyped import Scheduler, Unet

EMA_DECAY = 0.997
EMPTY_CAPTIONS = 0.1
TEXT_RATE = 0.3  # of the UNet's learning rate
WARM_UP = 100  # steps


def make_unet() -> Unet:
    """2.5 million parameters on latents of 4 × 16 × 16."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 96),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=16,
    )


def make_scheduler() -> Scheduler:
    """v-prediction with zero terminal SNR, so that the background's brightness can be learned (arXiv 2305.08891)."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,  # means nothing with trailing time steps, but StableDiffusionPipeline warns of any other
    )


def sample_timesteps(count: int, total: int = 1000) -> Tensor:
    """Half uniform, half logit-normal: the middle of the schedule decides the layout. (count,) int64."""
    uniform = torch.rand(count)
    middle = torch.sigmoid(torch.randn(count))
    share = torch.where(torch.rand(count) < 0.5, uniform, middle)
    return (share * total).long().clamp(0, total - 1)


def denoising_loss(unet: nn.Module, scheduler: Scheduler, latents: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the predicted velocity; latents (n, 4, 16, 16), hidden (n, 24, 96)."""
    noise = torch.randn_like(latents)
    timesteps = sample_timesteps(len(latents))
    noisy = scheduler.add_noise(latents, noise, timesteps)
    target = scheduler.get_velocity(latents, noise, timesteps)
    with torch.autocast("cpu", torch.bfloat16):
        predicted = unet(noisy, timesteps, encoder_hidden_states=hidden).sample
    return nn.functional.mse_loss(predicted.float(), target)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, a plateau, and a cosine to a tenth over the last third: shapes come last and need it."""
    if step < WARM_UP:
        return peak * (step + 1) / WARM_UP
    fall = max(0.0, (step / steps - 2 / 3) * 3)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * fall)))


@dataclass
class Denoiser:
    """UNet and text encoder in training, with the moving averages that are shipped."""

    unet: Unet
    text: CLIPTextModel
    unet_ema: Unet
    text_ema: CLIPTextModel
    optimizer: torch.optim.AdamW
    step: int = 0

    @classmethod
    def start(cls, text: CLIPTextModel) -> Denoiser:
        """A fresh UNet beside a warmed-up text encoder."""
        unet = make_unet()
        groups = [{"params": list(unet.parameters())}, {"params": list(text.parameters())}]
        optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)
        averages = deepcopy(unet).requires_grad_(False), deepcopy(text).requires_grad_(False)
        return cls(unet, text, *averages, optimizer)

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        return {
            "unet": self.unet,
            "text": self.text,
            "unet_ema": self.unet_ema,
            "text_ema": self.text_ema,
            "optimizer": self.optimizer,
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint; a run cut short never leaves half a file."""
        state = {name: part.state_dict() for name, part in self.parts().items()}
        partial = path.with_suffix(".partial")
        torch.save({**state, "step": self.step, "rng": torch.get_rng_state()}, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on where a checkpoint stopped."""
        state = torch.load(path, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.step = int(state["step"])
        torch.set_rng_state(state["rng"])

    def average(self) -> None:
        """One step of the exponential moving averages."""
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        pairs = [(self.unet_ema, self.unet), (self.text_ema, self.text)]
        for slow, fast in pairs:
            slow_values, fast_values = list(slow.parameters()), [p.detach() for p in fast.parameters()]
            torch._foreach_lerp_(slow_values, fast_values, 1 - decay)


def train_denoiser(
    model: Denoiser,
    latents: Tensor,
    tokens: Tensor,
    empty: Tensor,
    *,
    steps: int,
    batch: int,
    peak: float = 1.2e-3,
    report: Callable[[int, int, float], None],
    checkpoint: Callable[[Denoiser], None],
) -> None:
    """Train to `steps`; latents (n, 4, 16, 16) scaled to unit variance, tokens (n, 24), empty (24,)."""
    scheduler = make_scheduler()
    while model.step < steps:
        rate = learning_rate(model.step, steps, peak)
        for group, factor in zip(model.optimizer.param_groups, (1.0, TEXT_RATE), strict=True):
            group["lr"] = rate * factor
        rows = torch.randint(len(latents), (batch,))
        ids = torch.where(torch.rand(batch, 1) < EMPTY_CAPTIONS, empty, tokens[rows])
        hidden = model.text(input_ids=ids).last_hidden_state
        loss = denoising_loss(model.unet, scheduler, latents[rows].float(), hidden)
        model.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*model.unet.parameters(), *model.text.parameters()], 1.0)
        model.optimizer.step()
        model.step += 1
        model.average()
        report(model.step, steps, float(loss.detach()))
        checkpoint(model)
