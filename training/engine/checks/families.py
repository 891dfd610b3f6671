"""What a base family can and cannot do, as far as a recipe must know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FamilyFacts:
    """Facts of an architecture, from the configuration files that its makers publish.

    `multiple`: what the sides of a picture must divide by (autoencoder × downsampling or patches), in pixels.
    `narrowest`: the width of the narrowest adapted layer, above which a rank adds nothing; with convolutions
    `narrowest_conv`. `flow`: rectified flow instead of noise steps. `distilled`: may be told a guidance.
    """

    title: str
    multiple: int
    smallest: int
    native: int
    largest: int
    narrowest: int
    narrowest_conv: int = 0
    convolutions: bool = True
    flow: bool = False
    distilled: bool = False
    zero_snr: bool = False


FAMILIES: Mapping[str, FamilyFacts] = {
    "sd1": FamilyFacts("Stable Diffusion 1.x", 64, 256, 512, 1024, 320, 320),
    "sd2": FamilyFacts("Stable Diffusion 2.x", 64, 256, 768, 1024, 320, 320),
    "sdxl": FamilyFacts("Stable Diffusion XL", 32, 256, 1024, 2048, 640, 320),
    "flux1": FamilyFacts("FLUX.1", 16, 256, 1024, 2048, 3072, convolutions=False, flow=True, distilled=True),
    "tinybase": FamilyFacts("Tinybase", 8, 64, 64, 64, 96, 64, zero_snr=True),
}
