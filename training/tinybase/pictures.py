"""Pictures out of the tiny base: loading its folder, and sampling many prompts in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from training.tinybase.untyped import Pipeline

BASE = Path(__file__).resolve().parents[2] / "inference" / "tinybase"
STEPS, GUIDANCE, BATCH = 15, 3.0, 16

Pictures = NDArray[np.uint8]


def load_pipeline(folder: Path) -> Pipeline:
    """The base in float32, every weight frozen."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        part.requires_grad_(False)
    return pipeline


@torch.no_grad()
def pictures_of(pipeline: Pipeline, prompts: Sequence[str], *, seed: int) -> Pictures:
    """One picture for each prompt, (n, 64, 64, 3) uint8; picture i starts from the noise of `seed + i`."""
    parts = []
    for start in range(0, len(prompts), BATCH):
        some = list(prompts[start : start + BATCH])
        noise = [torch.Generator().manual_seed(seed + start + index) for index in range(len(some))]
        result = pipeline(
            some, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=noise, output_type="np"
        ).images
        parts.append(np.rint(result * 255).astype(np.uint8))
    return np.concatenate(parts)
