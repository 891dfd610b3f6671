"""FLUX.1: a transformer on packed latents, CLIP's pooled state and T5's states, trained by flow matching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.engine.buckets import Fit
from training.engine.config import LossConfig
from training.engine.families.base import Text
from training.engine.families.processes import Flow

LONGEST = 512  # tokens of T5, as FLUX.1-dev's pipeline has it
LONGEST_DISTILLED = 256  # FLUX.1-schnell


class Flux:
    """FLUX.1-dev and -schnell."""

    slug = "flux1"
    encoders: tuple[str, ...] = ("text_encoder", "text_encoder_2")
    trainable_encoders: tuple[str, ...] = ("text_encoder",)

    def __init__(self, pipe: Any, loss: LossConfig) -> None:
        self.pipe = pipe
        self.process = Flow(loss)
        self.multiple = pipe.vae_scale_factor * 2  # latents are packed two by two
        self._guidance = loss.guidance if pipe.transformer.config.guidance_embeds else None

    @property
    def denoiser(self) -> Any:
        return self.pipe.transformer

    def encode_text(self, captions: Sequence[str]) -> Text:
        longest = LONGEST if self._guidance is not None else LONGEST_DISTILLED
        hidden, pooled, _ = self.pipe.encode_prompt(
            list(captions), device=self.pipe.text_encoder.device, max_sequence_length=longest
        )
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, noisy: Tensor, times: Tensor, text: Text, fits: Sequence[Fit]) -> Tensor:
        count, channels, height, width = noisy.shape
        packed = self.pipe._pack_latents(noisy, count, channels, height, width)
        image_ids = self.pipe._prepare_latent_image_ids(count, height // 2, width // 2, noisy.device, torch.float32)
        guidance = None if self._guidance is None else torch.full((count,), self._guidance, device=noisy.device)
        answer = self.pipe.transformer(
            hidden_states=packed,
            timestep=times,
            guidance=guidance,
            pooled_projections=text["pooled"],
            encoder_hidden_states=text["hidden"],
            txt_ids=torch.zeros(text["hidden"].shape[1], 3, device=noisy.device),
            img_ids=image_ids,
            return_dict=False,
        )[0]
        scale = self.pipe.vae_scale_factor
        return self.unpacked(answer, width * scale, height * scale)

    def unpacked(self, latents: Tensor, width: int, height: int) -> Tensor:
        found: Tensor = self.pipe._unpack_latents(latents, height, width, self.pipe.vae_scale_factor)
        return found
