"""What a run will cost, before it starts: rough figures for the queue, refined by the first steps. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from training.engine.config import Kind, Precision, Quantisation, TrainConfig


@dataclass(frozen=True)
class Estimate:
    """Seconds of one step, and bytes of memory (of the GPU, or of the process on a CPU)."""

    step_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class _Cost:
    """What one family costs at its own resolution."""

    pixels: int
    flops: float
    """Of one picture's forward pass through the denoiser at `pixels`."""
    parameters: float
    """Of denoiser and text encoders."""
    activations: float
    """Bytes of one picture's activations in half precision at `pixels`, without gradient checkpointing."""


# Forward FLOPs: twice the published multiply-accumulates (SD 1: 0.34 T at 512 px, SDXL: 2.98 T at 1024 px), FLUX.1:
# 2 × 12 G parameters × 4608 tokens. Activations: from the widths and depths of the denoisers, rounded up. Both are
# calculated; the GPU families have not been measured by this project yet. The tiny base is measured.
_COSTS = {
    "tinybase": _Cost(64 * 64, 0.9e9, 3.2e6, 20e6),
    "sd1": _Cost(512 * 512, 0.7e12, 1.07e9, 4e9),
    "sd2": _Cost(512 * 512, 0.7e12, 1.3e9, 4e9),
    "sdxl": _Cost(1024 * 1024, 6.0e12, 3.5e9, 14e9),
    "flux1": _Cost(1024 * 1024, 1.1e14, 17e9, 45e9),
}
_GPU_RATE = 2.5e14  # useful FLOP/s of an H100 in bf16 at about a quarter of its peak, as trainers reach it
_CPU_RATE = 4.0e10  # of one thread, on layers as small as the tiny base's
_CPU_START = 400 * 1024**2  # torch and diffusers, loaded
_PASSES = {True: 4.0, False: 3.0}  # forward and backward; with gradient checkpointing the forward pass twice
_KEPT = 0.15  # of the activations, with gradient checkpointing


def estimate(config: TrainConfig, items_count: int, family: str, *, device: str = "") -> Estimate:
    """A run's step and memory on `device`: `cpu`, or a GPU of the H100's class (the default for all but the tiny base).

    Validation is spread over the steps (a fifth of `items_count` pictures, four passes each). Raises KeyError for a
    family that cannot be trained.
    """
    cost, on_cpu = _COSTS[family], (device or ("cpu" if family == "tinybase" else "cuda")).startswith("cpu")
    area = config.data.resolution**2 / cost.pixels
    pictures = config.data.batch * config.data.accumulation
    passes = _PASSES[config.optim.gradient_checkpointing]
    checks = 4 * items_count / 5 / config.validate_every if config.validate_every else 0.0
    flops = cost.flops * area * (passes * pictures + checks)
    return Estimate(flops / (_CPU_RATE if on_cpu else _GPU_RATE), _memory(config, cost, area, on_cpu=on_cpu))


def _memory(config: TrainConfig, cost: _Cost, area: float, *, on_cpu: bool) -> int:
    whole = on_cpu or config.optim.precision == Precision.FP32
    base = cost.parameters * (4 if whole else 2)
    if config.optim.quantisation == Quantisation.NF4:
        base = cost.parameters * 0.55
    kept = _KEPT if config.optim.gradient_checkpointing else 1.0
    active = cost.activations * area * config.data.batch * kept * (2 if whole else 1)
    trained = cost.parameters * (0.6 if config.adapter.kind == Kind.FULL else 0.002 * config.adapter.rank / 4)
    return int(base + active + trained * 16 + (_CPU_START if on_cpu else 0))
