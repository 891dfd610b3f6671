"""Optimizers, the learning rate at a step, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from training.engine.config import OptimConfig, OptimizerName, ScheduleName
from training.engine.errors import TrainingError
from training.engine.places import Place


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig, place: Place) -> Optimizer:
    """The optimizer with one group for the denoiser and one for the text encoders, where they have a rate of their own.

    Raises TrainingError where the machine or the settings do not allow it.
    """
    groups = [group for group in _groups(parameters, config) if group["params"]]
    if config.optimizer == OptimizerName.PRODIGY:
        return _prodigy(groups, config)
    if config.optimizer == OptimizerName.ADAMW_8BIT:
        return _adamw_8bit(groups, config, place)
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True)


def _groups(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> list[dict[str, Any]]:
    text = [value for name, value in parameters.items() if name.startswith("text_encoder")]
    rest = [value for name, value in parameters.items() if not name.startswith("text_encoder")]
    text_rate = config.learning_rate if config.text_learning_rate is None else config.text_learning_rate
    return [
        {"params": rest, "lr": config.learning_rate, "peak": config.learning_rate},
        {"params": text, "lr": text_rate, "peak": text_rate},
    ]


def _prodigy(groups: list[dict[str, Any]], config: OptimConfig) -> Optimizer:
    """Prodigy finds the rate itself (Mishchenko and Defazio 2023, arXiv 2306.06101); `learning_rate` multiplies it."""
    if len({group["lr"] for group in groups}) > 1:
        raise TrainingError(
            "Prodigy cannot use two learning rates.",
            "It estimates one step size for all weights, and the text encoders were given a rate of their own.",
            "Leave optim.text_learning_rate empty, or choose AdamW.",
            "prodigy-rates",
        )
    from prodigyopt import Prodigy

    with redirect_stdout(StringIO()):  # it prints a line about decoupled weight decay
        made: Optimizer = Prodigy(
            groups,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            decouple=True,
            use_bias_correction=True,
            safeguard_warmup=True,
        )
    return made


def _adamw_8bit(groups: list[dict[str, Any]], config: OptimConfig, place: Place) -> Optimizer:
    why = "the run is on a CPU" if place.device.type != "cuda" else ""
    try:
        import bitsandbytes
    except ImportError:
        why = why or "the package bitsandbytes is not installed"
    if why:
        raise TrainingError(
            "AdamW with 8-bit state cannot be used here.",
            f"It needs an NVIDIA GPU and the package bitsandbytes; {why}.",
            "Choose AdamW, which gives the same quality and needs some more memory.",
            "optimizer-unavailable",
        )
    made: Optimizer = bitsandbytes.optim.AdamW8bit(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    return made


def rate_factor(config: OptimConfig, step: int, steps: int) -> float:
    """The share of the peak learning rate at a step (from 0): a linear warm-up, then the schedule down to 0."""
    warm = min(config.warmup_steps, steps)
    if step < warm:
        return (step + 1) / warm
    if config.schedule == ScheduleName.CONSTANT:
        return 1.0
    done = (step - warm) / max(1, steps - warm)
    return 1 - done if config.schedule == ScheduleName.LINEAR else 0.5 * (1 + math.cos(math.pi * done))


def set_rates(optimizer: Optimizer, config: OptimConfig, step: int, steps: int) -> float:
    """Set every group's rate for a step; returns the first group's."""
    factor = rate_factor(config, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return float(optimizer.param_groups[0]["lr"])


class Average:
    """An exponential moving average of the weights, which is then what is written.

    The decay starts low, so that the average is not held back by the start: min(decay, (1+t)/(10+t)).
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in parameters.items()}

    @torch.no_grad()
    def update(self, parameters: Iterable[nn.Parameter], step: int) -> None:
        """After a step (from 1)."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), [value.detach() for value in parameters], share)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take over saved values. Raises KeyError where one is missing."""
        for name, tensor in self.values.items():
            tensor.copy_(values[name])
