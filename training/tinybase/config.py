"""Every number of the training in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BaseConfig:
    """How the base is trained. Steps are optimizer steps; the defaults make the model that ships."""

    work: Path  # checkpoints and drawn pictures
    out: Path  # the diffusers folder that is written
    pictures: int = 60_000
    seed: int = 2026
    text_steps: int = 800
    vae_steps: int = 1_500
    decoder_steps: int = 1_500
    unet_steps: int = 6_400
    batch: int = 32
    checkpoint_every: int = 400
