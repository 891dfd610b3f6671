"""A training run in a process of its own, to be killed: `python -m tests.training.engine.killed BASE PICTURES FOLDER`.

Every event is one line of output, written at once.
"""

import sys
from pathlib import Path

import torch

from tests.factories.trainer import config, make_items
from training.engine import BaseRef, Control, Job, run

STEPS = 60
RECIPE = config(
    steps=STEPS,
    checkpoint_every=2,
    keep_checkpoints=3,
    validate_every=3,
    adapter={"dropout": 0.1, "text_encoders": True},
    data={"flip": True, "tag_shuffle": True, "prior_weight": 0.5, "accumulation": 2},
    loss={"min_snr_gamma": 5.0, "noise_offset": 0.05},
    optim={"ema_decay": 0.99, "warmup_steps": 5, "learning_rate": 1e-3},
    samples={"every": 7, "prompts": ("{trigger}",)},
)


def main(base: str, pictures: str, folder: str) -> None:
    torch.set_num_threads(1)
    items = make_items(Path(pictures), 6, prior=2)
    job = Job(RECIPE, BaseRef("sd1", base), items, items[:1], Path(folder) / "run", Path(folder) / "cache")
    result = run(job, lambda event: print(event, flush=True), lambda: Control.GO)
    print("files", *[file.sha256 for file in result.files], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
