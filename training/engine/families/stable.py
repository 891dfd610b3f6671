"""Stable Diffusion 1 and 2 (and the tiny base, which is built like them), and SDXL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.engine.buckets import Fit
from training.engine.config import LossConfig
from training.engine.families.base import Text
from training.engine.families.processes import Diffusion


class StableDiffusion:
    """A UNet that reads one CLIP text encoder's states."""

    encoders: tuple[str, ...] = ("text_encoder",)

    def __init__(self, pipe: Any, slug: str, loss: LossConfig) -> None:
        self.pipe, self.slug = pipe, slug
        self.process = Diffusion.of(pipe.scheduler, loss)
        self.multiple = pipe.vae_scale_factor
        self.trainable_encoders = self.encoders

    @property
    def denoiser(self) -> Any:
        return self.pipe.unet

    def encode_text(self, captions: Sequence[str]) -> Text:
        hidden, _ = self.pipe.encode_prompt(
            list(captions), self.pipe.text_encoder.device, 1, do_classifier_free_guidance=False
        )
        return {"hidden": hidden}

    def predict(self, noisy: Tensor, times: Tensor, text: Text, fits: Sequence[Fit]) -> Tensor:
        answer: Tensor = self.pipe.unet(noisy, times, encoder_hidden_states=text["hidden"], return_dict=False)[0]
        return answer

    def unpacked(self, latents: Tensor, width: int, height: int) -> Tensor:
        return latents


class StableDiffusionXL(StableDiffusion):
    """Two text encoders, their pooled state, and the size and crop that a picture was seen in."""

    encoders = ("text_encoder", "text_encoder_2")

    def encode_text(self, captions: Sequence[str]) -> Text:
        hidden, _, pooled, _ = self.pipe.encode_prompt(
            list(captions), None, self.pipe.text_encoder.device, 1, do_classifier_free_guidance=False
        )
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, noisy: Tensor, times: Tensor, text: Text, fits: Sequence[Fit]) -> Tensor:
        added = {"text_embeds": text["pooled"], "time_ids": _time_ids(fits).to(noisy.device)}
        answer: Tensor = self.pipe.unet(
            noisy, times, encoder_hidden_states=text["hidden"], added_cond_kwargs=added, return_dict=False
        )[0]
        return answer


def _time_ids(fits: Sequence[Fit]) -> Tensor:
    """(n, 6): original height and width, crop top and left, height and width (Podell et al. 2023, §2.2)."""
    rows = [
        (fit.original.height, fit.original.width, fit.top, fit.left, fit.bucket.height, fit.bucket.width)
        for fit in fits
    ]
    return torch.tensor(rows, dtype=torch.float32)
