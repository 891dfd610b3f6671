"""A training run that may be one of several processes: `python -m tests.training.engine.shared_run BASE FOLDER`."""

import os
import sys
from pathlib import Path

import torch

from tests.factories.trainer import config, make_items
from training.engine import BaseRef, Control, Job, run

RECIPE = config(
    steps=4,
    checkpoint_every=2,
    validate_every=2,
    data={"batch": 4, "buckets": False, "prior_weight": 0.5},
    adapter={"text_encoders": True},
    optim={"ema_decay": 0.9},
)


def main(base: str, folder: str) -> None:
    torch.set_num_threads(1)
    items = make_items(Path(folder) / f"pictures-{os.environ['RANK']}", 5, prior=1)
    job = Job(RECIPE, BaseRef("sd1", base), items, items[:1], Path(folder) / "run", Path(folder) / "cache")
    run(job, lambda event: None, lambda: Control.GO)


if __name__ == "__main__":
    main(*sys.argv[1:])
