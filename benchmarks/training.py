"""The trainer against a plain loop: `python -m benchmarks.training`.

The peer is diffusers' example `train_text_to_image_lora.py` written plainly: the same random base (SD 1's structure,
every width an eighth), the same pictures and captions, LoRA by PEFT on the same layers at the same rank, AdamW,
clipping at 1, no caches, because the example has none. The trainer runs twice: with its caches, which are filled before
the steps that count, and without. Each run is a process of its own, for its peak of memory; the three take turns, and
the best round of each counts. Processor time is the measure, since it depends least on what else the machine does; wall
time is shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.engine import BaseRef, Control, Item, Job, Step, run
from training.engine.config import AdapterConfig, DataConfig, OptimConfig, SampleConfig, TrainConfig

RANK, WARM = 16, 3
LAYERS = ["to_k", "to_q", "to_v", "to_out.0"]
MODES = ("plain", "uncached", "cached")


def make_base(folder: Path) -> None:
    """SD 1's UNet, autoencoder and text encoder with their depths, at an eighth of their widths, random."""
    torch.manual_seed(0)
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    words = CLIPTokenizer(vocab={one: n for n, one in enumerate(pieces)}, merges=[], model_max_length=77)
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=104,
        intermediate_size=416,
        num_hidden_layers=12,
        num_attention_heads=13,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=(40, 80, 160, 160), cross_attention_dim=104, norm_num_groups=8
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=8,
    )
    scheduler = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1
    )
    parts = {"unet": unet, "vae": vae, "text_encoder": CLIPTextModel(text), "tokenizer": words, "scheduler": scheduler}
    StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    ).save_pretrained(folder)


def make_pictures(folder: Path, count: int, side: int) -> list[Item]:
    rng, found = np.random.default_rng(0), []
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(path)
        caption = f"a picture number {number} of a red circle on a blue ground, in the style of sks"
        found.append(Item(path, caption, hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


class PlainDataset(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Pictures and token ids, prepared each time anew, as the example does."""

    def __init__(self, items: list[Item], tokenizer: Any, side: int) -> None:
        self.items, self.tokenizer, self.side = items, tokenizer, side

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        item = self.items[number]
        with Image.open(item.path) as image:
            scaled = image.convert("RGB").resize((self.side, self.side), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.asarray(scaled, np.float32).transpose(2, 0, 1) / 127.5 - 1)
        ids = self.tokenizer(
            item.caption, max_length=77, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids[0]
        return {"pixel_values": pixels, "input_ids": ids}


def plain_steps(base: Path, items: list[Item], side: int, batch: int, steps: int) -> Iterator[None]:
    """diffusers' example, without its command line, logging and checkpoints."""
    from peft import LoraConfig

    pipe = StableDiffusionPipeline.from_pretrained(base, local_files_only=True)
    noise_scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    config = LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=LAYERS)
    pipe.unet.add_adapter(config)
    lora_layers = [value for value in pipe.unet.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(lora_layers, lr=1e-4, weight_decay=1e-2)
    lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    loader = torch.utils.data.DataLoader(PlainDataset(items, pipe.tokenizer, side), shuffle=True, batch_size=batch)
    done = 0
    pipe.unet.train()
    while done < steps:
        for rows in loader:
            latents = pipe.vae.encode(rows["pixel_values"]).latent_dist.sample() * pipe.vae.config.scaling_factor
            noise = torch.randn_like(latents)
            times = torch.randint(0, noise_scheduler.config.num_train_timesteps, (latents.shape[0],)).long()
            noisy = noise_scheduler.add_noise(latents, noise, times)
            hidden = pipe.text_encoder(rows["input_ids"], return_dict=False)[0]
            predicted = pipe.unet(noisy, times, hidden, return_dict=False)[0]
            loss = torch.nn.functional.mse_loss(predicted.float(), noise.float(), reduction="mean")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(lora_layers, 1.0)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
            done += 1
            loss.item()  # the example logs it at each step
            yield
            if done == steps:
                return


def child(mode: str, work: Path, side: int, batch: int, steps: int) -> None:
    """One run; prints its seconds for each step and its peak of memory."""
    torch.set_num_threads(1)
    items = [Item(Path(one["path"]), one["caption"], one["digest"]) for one in json.loads((work / "items").read_text())]
    marks: list[tuple[float, float]] = []

    def mark() -> None:
        marks.append((time.process_time(), time.perf_counter()))

    if mode == "plain":
        for _ in plain_steps(work / "base", items, side, batch, steps):
            mark()
    else:
        cached = mode == "cached"
        config = TrainConfig(
            family="sd1",
            steps=steps,
            checkpoint_every=0,
            validate_every=0,
            adapter=AdapterConfig(rank=RANK, alpha=RANK),
            data=DataConfig(resolution=side, batch=batch, caption_dropout=0.0, cache_latents=cached, cache_text=cached),
            optim=OptimConfig(warmup_steps=0),
            samples=SampleConfig(every=0),
        )
        with tempfile.TemporaryDirectory() as folder:
            job = Job(config, BaseRef("sd1", str(work / "base")), tuple(items), (), Path(folder), work / "cache")
            run(job, lambda event: mark() if isinstance(event, Step) else None, lambda: Control.GO)
    ticks = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(marks[WARM:])]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": [tick[0] for tick in ticks], "wall": [tick[1] for tick in ticks], "peak": peak}))


def measured(mode: str, work: Path, options: argparse.Namespace, batch: int) -> dict[str, float]:
    arguments = [f"--{name}={value}" for name, value in (("side", options.side), ("steps", options.steps))]
    command = [sys.executable, "-m", "benchmarks.training", f"--child={mode}", f"--work={work}", f"--batch={batch}"]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    out = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, env=quiet).stdout
    found = json.loads(out.splitlines()[-1])
    return {"cpu": median(found["cpu"]), "wall": median(found["wall"]), "peak": found["peak"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--steps", type=int, default=23, help=f"of which the first {WARM} do not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--batch", type=int, default=4, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.work, options.side, options.batch, options.steps)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), options)


def compare(work: Path, options: argparse.Namespace) -> int:
    """A table with a row for each batch size and mode; 1 where a limit of the issue is missed."""
    make_base(work / "base")
    items = make_pictures(work / "pictures", 16, options.side)
    plain = [{"path": str(one.path), "caption": one.caption, "digest": one.digest} for one in items]
    (work / "items").write_text(json.dumps(plain))
    print("| batch | mode | CPU s/step | wall s/step | steps/CPU s | against plain | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    met = True
    for batch in options.batches:
        rounds = [{mode: measured(mode, work, options, batch) for mode in MODES} for _ in range(options.rounds)]
        best = {mode: min((one[mode] for one in rounds), key=lambda found: found["cpu"]) for mode in MODES}
        for mode in MODES:
            row, ratio = best[mode], best["plain"]["cpu"] / best[mode]["cpu"]
            print(
                f"| {batch} | {mode} | {row['cpu']:.3f} | {row['wall']:.3f} | {1 / row['cpu']:.2f} | {ratio:.2f}× "
                f"| {row['peak']:.0f} |",
                flush=True,
            )
            met &= mode == "plain" or batch != 4 or ratio >= {"uncached": 1.0, "cached": 1.5}[mode]
    print(f"\nAt batch 4: at least 1× uncached and 1.5× cached: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
