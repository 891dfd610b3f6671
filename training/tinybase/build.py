"""From nothing to a diffusers folder: draw, tokenise, train text encoder, VAE and UNet, write. Resumes by itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from training.tinybase.config import BaseConfig
from training.tinybase.scenes import Scene, draw, sample_scene
from training.tinybase.styles import STYLES
from training.tinybase.text import labels_of, make_text_encoder, warm_up
from training.tinybase.tokenizer import encode, train_tokenizer
from training.tinybase.unet import Denoiser, make_scheduler, train_denoiser
from training.tinybase.untyped import Pipeline, Vae
from training.tinybase.vae import encode_all, make_vae, psnr, train_vae

NOTE = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---
# tinybase

A very small text-to-image model (64 × 64 pixels, v-prediction) in the layout of `StableDiffusionPipeline`. It draws
coloured shapes on coloured grounds, and was trained from nothing on procedurally drawn pictures by
`python -m training.tinybase`. No photograph and no person's work is in it. Apache-2.0.
"""


@dataclass
class Progress:
    """Prints a line a few times a minute: part, step, smoothed loss, time left."""

    part: str
    began: float = field(default_factory=time.monotonic)
    said: float = 0.0
    smooth: float | None = None
    first: int | None = None

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """One optimizer step is done."""
        self.smooth = loss if self.smooth is None else 0.98 * self.smooth + 0.02 * loss
        self.first = step if self.first is None else self.first
        now = time.monotonic()
        if now - self.said < 15 and step != steps:
            return
        self.said = now
        left = (now - self.began) / max(1, step - self.first + 1) * (steps - step)
        print(f"{self.part}: {step}/{steps}  loss {self.smooth:.4f}  {left / 60:.1f} min left", flush=True)


def draw_all(config: BaseConfig) -> tuple[list[Scene], Tensor]:
    """The training scenes and their pictures, (n, 64, 64, 3) uint8; the same for the same seed."""
    rng = np.random.default_rng(config.seed)
    scenes = [sample_scene(rng) for _ in range(config.pictures)]
    cached = config.work / f"pictures-{config.seed}-{config.pictures}.npy"
    if not cached.exists():
        print(f"drawing {config.pictures} pictures", flush=True)
        np.save(cached, np.stack([draw(scene) for scene in scenes]))
    return scenes, torch.from_numpy(np.load(cached))


def _stage(file: Path, module: torch.nn.Module, train: Callable[[], None]) -> None:
    """Train a part once; later runs read what the first one wrote."""
    if file.exists():
        module.load_state_dict(torch.load(file, weights_only=True))
        return
    train()
    torch.save(module.state_dict(), file)


def make_text(config: BaseConfig, tokenizer: CLIPTokenizer, tokens: Tensor, scenes: list[Scene]) -> CLIPTextModel:
    """The warmed-up text encoder."""
    text = make_text_encoder(tokenizer)
    labels = labels_of(scenes)
    report = Progress("text encoder")
    _stage(config.work / "text.pt", text, lambda: warm_up(text, tokens, labels, steps=config.text_steps, report=report))
    return text


def make_autoencoder(config: BaseConfig, pictures: Tensor) -> Vae:
    """The trained VAE, its scaling factor set so that scaled latents have unit variance."""
    vae = make_vae()

    def train() -> None:
        train_vae(vae, pictures, steps=config.vae_steps, decoder_only=False, report=Progress("vae"))
        textured = textured_pictures(config, count=6_000)
        mixed = torch.cat([pictures[: len(textured)], textured])
        train_vae(vae, mixed, steps=config.decoder_steps, decoder_only=True, report=Progress("vae decoder"))

    _stage(config.work / "vae.pt", vae, train)
    spread = float(encode_all(vae, pictures[:2048]).float().std())
    vae.register_to_config(scaling_factor=round(1 / spread, 5))
    print(f"vae: {psnr(vae, pictures[:512]):.1f} dB, scaling factor {vae.config.scaling_factor}", flush=True)
    return vae


def textured_pictures(config: BaseConfig, *, count: int) -> Tensor:
    """Pictures in the styles of the starter adapters, so that the decoder can draw lines and stripes at all."""
    rng = np.random.default_rng(config.seed + 1)
    paints = list(STYLES.values())
    scenes = [sample_scene(rng) for _ in range(count)]
    return torch.from_numpy(np.stack([draw(scene, paints[i % len(paints)]) for i, scene in enumerate(scenes)]))


def build(config: BaseConfig) -> None:
    """Everything, in order. Killed and started again it goes on from its last checkpoint."""
    config.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    scenes, pictures = draw_all(config)
    captions = [scene.caption for scene in scenes]
    tokenizer = train_tokenizer(captions)
    tokens = encode(tokenizer, captions)
    empty = encode(tokenizer, [""])[0]
    text = make_text(config, tokenizer, tokens, scenes)
    vae = make_autoencoder(config, pictures)
    latents = (encode_all(vae, pictures).float() * vae.config.scaling_factor).half()
    del pictures
    model = Denoiser.start(text)
    saved = config.work / "denoiser.pt"
    if saved.exists():
        model.load(saved)

    def checkpoint(current: Denoiser) -> None:
        if current.step % config.checkpoint_every == 0 or current.step == config.unet_steps:
            current.save(saved)

    train_denoiser(
        model,
        latents,
        tokens,
        empty,
        steps=config.unet_steps,
        batch=config.batch,
        report=Progress("unet"),
        checkpoint=checkpoint,
    )
    write(config, tokenizer, model, vae)


def write(config: BaseConfig, tokenizer: CLIPTokenizer, model: Denoiser, vae: Vae) -> None:
    """The folder that `StableDiffusionPipeline.from_pretrained` reads, in half precision."""
    pipeline: Pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text_ema,
        tokenizer=tokenizer,
        unet=model.unet_ema,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(config.out)
    (config.out / "README.md").write_text(NOTE)
    print(f"written to {config.out}", file=sys.stderr)
