"""`python -m training.tinybase`: train the tiny base from nothing; takes about an hour on one core."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.tinybase.build import build
from training.tinybase.config import BaseConfig

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Read the options and build."""
    parser = argparse.ArgumentParser(prog="python -m training.tinybase", description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "tinybase", help="checkpoints and pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "inference" / "tinybase", help="the diffusers folder")
    parser.add_argument("--unet-steps", type=int, default=BaseConfig.unet_steps)
    parser.add_argument("--threads", type=int, default=1, help="one thread is faster than two under contention")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # of the whole process, so it belongs here and not into build()
    build(BaseConfig(work=options.work, out=options.out, unet_steps=options.unet_steps))


if __name__ == "__main__":
    main()
