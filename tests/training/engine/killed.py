"""Training runs in processes of their own, to be killed: `python -m tests.training.engine.killed BASE PICTURES`.

Each line read names a folder and starts, or goes on with, the run in it: a process of its own, forked after the
libraries are loaded and before anything is run. Its pid is told, then every event, each as one line written at once,
and last how it ended.
"""

import os
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


def main(base: str, pictures: str) -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _tell("pid", os.getpid())
            _run(base, pictures, Path(line.strip()))
            return
        _, status = os.waitpid(child, 0)
        _tell("ended", os.waitstatus_to_exitcode(status))


def _run(base: str, pictures: str, folder: Path) -> None:
    items = make_items(Path(pictures), 6, prior=2)
    job = Job(RECIPE, BaseRef("sd1", base), items, items[:1], folder / "run", folder / "cache")
    result = run(job, lambda event: _tell("event", event), lambda: Control.GO)
    _tell("files", *[file.sha256 for file in result.files])


def _tell(*words: object) -> None:
    """A line in one call, so that a kill leaves it whole or untold."""
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
