"""What differs between base families, as small objects; everything else is one code path."""

from __future__ import annotations

from typing import Any

from training.engine.config import LossConfig
from training.engine.families.base import Family, Text
from training.engine.families.flux import Flux
from training.engine.families.stable import StableDiffusion, StableDiffusionXL

__all__ = ["Family", "Text", "family_of"]


def family_of(pipe: Any, slug: str, loss: LossConfig) -> Family:
    """The family object around a loaded pipeline, whose family was checked when it was loaded."""
    if slug == "flux1":
        return Flux(pipe, loss)
    return StableDiffusionXL(pipe, slug, loss) if slug == "sdxl" else StableDiffusion(pipe, slug, loss)
