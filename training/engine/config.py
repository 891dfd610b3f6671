"""What a training run is told, as plain values: what a recipe is made of, and what a checkpoint is held against.

Nothing here imports torch, so that forms and the API can build, check and show a recipe in the web process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """The kinds of adapters that can be trained."""

    LORA = "lora"
    LOCON = "locon"
    DORA = "dora"
    LOHA = "loha"
    LOKR = "lokr"
    IA3 = "ia3"
    FULL = "full"
    TEXTUAL_INVERSION = "textual-inversion"


class Targets(StrEnum):
    """Which modules of the denoiser are adapted; each includes the ones before it."""

    ATTENTION = "attention"
    FEED_FORWARD = "attention+feed-forward"
    CONVOLUTIONS = "attention+feed-forward+convolutions"


class OptimizerName(StrEnum):
    ADAMW = "adamw"
    ADAMW_8BIT = "adamw-8bit"
    PRODIGY = "prodigy"


class ScheduleName(StrEnum):
    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


class Precision(StrEnum):
    """The number format of the forward pass; adapter weights and optimizer stay in float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Quantisation(StrEnum):
    """How the frozen base is held in memory."""

    NONE = "none"
    NF4 = "nf4"


@dataclass(frozen=True)
class AdapterConfig:
    """Which adapter, how large, and on which modules."""

    kind: Kind = Kind.LORA
    rank: int = 16
    alpha: float = 8.0
    targets: Targets = Targets.ATTENTION
    text_encoders: bool = False
    """Whether the text encoders are adapted too."""
    conv_rank: int | None = None
    """Rank on convolutions; None takes `rank`."""
    lokr_factor: int = -1
    """How LoKr splits the sides of a weight; -1 takes the most even split."""
    vectors: int = 1
    """How many token vectors a Textual Inversion learns."""
    dropout: float = 0.0


@dataclass(frozen=True)
class DataConfig:
    """How pictures and captions become batches."""

    resolution: int = 512
    """The side of the square whose area every aspect-ratio bucket has, in pixels."""
    buckets: bool = True
    """Aspect-ratio buckets; without them every picture is cropped to a square."""
    bucket_step: int = 64
    batch: int = 1
    """Pictures in one micro-batch."""
    accumulation: int = 1
    """Micro-batches whose gradients make one step."""
    flip: bool = False
    caption_dropout: float = 0.1
    """Share of the pictures whose caption is left empty at a step."""
    tag_shuffle: bool = False
    prior_weight: float = 0.0
    """Weight of the class pictures' loss (prior preservation); 0 uses none."""
    cache_latents: bool = True
    cache_text: bool = True


@dataclass(frozen=True)
class LossConfig:
    """How the error is weighed."""

    min_snr_gamma: float | None = None
    """Hang et al. 2023 (arXiv 2303.09556); 5 is the usual value."""
    noise_offset: float = 0.0
    timestep_sampling: str = "uniform"
    """uniform, or logit-normal as the FLUX and SD 3 trainers use."""
    guidance: float = 1.0
    """The guidance a distilled base (FLUX.1-dev) is told during training."""


@dataclass(frozen=True)
class OptimConfig:
    """How the weights move."""

    optimizer: OptimizerName = OptimizerName.ADAMW
    learning_rate: float = 1e-4
    text_learning_rate: float | None = None
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    schedule: ScheduleName = ScheduleName.COSINE
    warmup_steps: int = 100
    ema_decay: float | None = None
    gradient_checkpointing: bool = False
    precision: Precision = Precision.FP32
    quantisation: Quantisation = Quantisation.NONE


@dataclass(frozen=True)
class SampleConfig:
    """The pictures that show how far a run is: the same prompts and seeds each time, beside the base's."""

    every: int = 250
    prompts: tuple[str, ...] = ()
    """Prompts; `{trigger}` stands for the trigger word. Each is also drawn without it for the overfit watch."""
    seeds: tuple[int, ...] = (1,)
    steps: int = 20
    guidance: float = 5.0
    width: int = 512
    height: int = 512
    strength: float = 1.0


@dataclass(frozen=True)
class TrainConfig:
    """A whole run. Two runs with equal configs, items and base give equal weights on a CPU."""

    family: str
    trigger: str = ""
    steps: int = 1500
    seed: int = 0
    checkpoint_every: int = 500
    keep_checkpoints: int = 10
    validate_every: int = 100
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    samples: SampleConfig = field(default_factory=SampleConfig)

    def to_json(self) -> dict[str, Any]:
        """Plain values, sections nested; the form in which a recipe is stored."""
        plain: dict[str, Any] = asdict(self)
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; a key that this version does not know is a ValueError that names it."""
        built: Self = _built(cls, data, "")
        return built


def _built(kind: type[Any], data: Mapping[str, Any], path: str) -> Any:
    known = {one.name: one for one in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"A recipe has no setting “{path}{unknown[0]}”.")
    defaults = {"adapter": AdapterConfig, "data": DataConfig, "loss": LossConfig}
    sections = {**defaults, "optim": OptimConfig, "samples": SampleConfig} if kind is TrainConfig else {}
    values = {
        name: _built(sections[name], value, f"{name}.") if name in sections else _plain(kind, name, value, path)
        for name, value in data.items()
    }
    return kind(**values)


_WORDS: Mapping[tuple[str, str], type[StrEnum]] = {
    ("AdapterConfig", "kind"): Kind,
    ("AdapterConfig", "targets"): Targets,
    ("OptimConfig", "optimizer"): OptimizerName,
    ("OptimConfig", "schedule"): ScheduleName,
    ("OptimConfig", "precision"): Precision,
    ("OptimConfig", "quantisation"): Quantisation,
}


def _plain(kind: type[Any], name: str, value: Any, path: str) -> Any:
    words = _WORDS.get((kind.__name__, name))
    if words is not None:
        if value not in set(words):
            raise ValueError(f"“{path}{name}” is one of {', '.join(words)}, and not {value!r}.")
        return words(value)
    return tuple(value) if isinstance(value, list) else value
