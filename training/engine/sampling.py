"""Sample pictures: the same prompts and seeds each time, with the trigger word and without it, beside the base's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.engine.config import TrainConfig
from training.engine.families import Family
from training.engine.families.latents import decode
from training.engine.places import Place

MARK = "{trigger}"


@dataclass(frozen=True)
class Wish:
    """One sample picture."""

    number: int
    prompt: str
    seed: int
    with_trigger: bool

    @property
    def file_name(self) -> str:
        return f"prompt-{self.number}-seed-{self.seed}-{'with' if self.with_trigger else 'without'}.png"


def wishes(config: TrainConfig) -> list[Wish]:
    """Every prompt with every seed; a prompt with `{trigger}` in it is drawn without the word, too."""
    found = []
    for number, prompt in enumerate(config.samples.prompts, start=1):
        plain = " ".join(prompt.replace(MARK, " ").replace(" ,", ",").split()).strip(" ,")
        for seed in config.samples.seeds:
            if MARK in prompt and config.trigger:
                found.append(Wish(number, prompt.replace(MARK, config.trigger), seed, True))
            found.append(Wish(number, plain, seed, False))
    return found


@torch.no_grad()
def sample(family: Family, place: Place, config: TrainConfig, folder: Path, some: Sequence[Wish]) -> Iterator[Path]:
    """Draw and write one picture after the other. Each has a generator of its own: training's chance is untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for wish in some:
        path = folder / wish.file_name
        partial = path.with_name(f".{path.name}.partial")
        _picture(_pixels(family, place, config, wish)).save(partial, "PNG")
        partial.replace(path)  # whole or not at all: what is there after a pause is not drawn again
        yield path


def _pixels(family: Family, place: Place, config: TrainConfig, wish: Wish) -> Tensor:
    """(3, height, width) in 0..1. The autoencoder works outside of autocast, where SDXL's would overflow."""
    want = config.samples
    with place.autocast():
        latents = family.pipe(
            wish.prompt,
            num_inference_steps=want.steps,
            guidance_scale=want.guidance,
            width=want.width,
            height=want.height,
            generator=torch.Generator("cpu").manual_seed(wish.seed),
            output_type="latent",
        ).images
    return decode(family.pipe.vae, family.unpacked(latents, want.width, want.height))[0]


def _picture(pixels: Tensor) -> Image.Image:
    values = (pixels.permute(1, 2, 0).float().cpu().nan_to_num().numpy() * 255).round().astype(np.uint8)
    return Image.fromarray(values)
