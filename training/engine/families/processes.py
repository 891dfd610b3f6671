"""How noise is added and what is predicted: diffusion (ε or v) and flow matching, one interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from training.engine.config import LossConfig
from training.engine.errors import TrainingError

SAMPLINGS = ("uniform", "logit-normal")


class Process(Protocol):
    """Noise levels are shares in (0, 1): 0 is a clean picture, 1 is noise. Tensors are (n, …), levels (n,)."""

    def times(self, levels: Tensor) -> Tensor:
        """What the denoiser is told."""
        ...

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """The latents with noise at these times."""
        ...

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the denoiser is to predict."""
        ...

    def weights(self, times: Tensor) -> Tensor | None:
        """The weight of each picture's error; None where all count alike."""
        ...


def level(loss: LossConfig, chance: torch.Generator) -> float:
    """One noise level, as the recipe samples them. Raises TrainingError for a way that is not known."""
    if loss.timestep_sampling == "uniform":
        return float(torch.rand((), generator=chance))
    if loss.timestep_sampling == "logit-normal":  # Esser et al. 2024, arXiv 2403.03206, eq. 19, with m = 0 and s = 1
        return float(torch.sigmoid(torch.randn((), generator=chance)))
    raise TrainingError(
        "The recipe's choice of timesteps is not known.",
        f"loss.timestep_sampling is “{loss.timestep_sampling}”.",
        f"Choose one of {', '.join(SAMPLINGS)}.",
        "timestep-sampling",
    )


@dataclass(frozen=True)
class Diffusion:
    """The variance-preserving diffusion of SD 1, SD 2 and SDXL, on the base's own noise schedule."""

    alphas: Tensor
    """(T,) ᾱ_t, float32."""
    prediction: str
    """epsilon or v_prediction."""
    gamma: float | None

    @classmethod
    def of(cls, scheduler: Any, loss: LossConfig) -> Diffusion:
        """The process of a loaded base. Raises TrainingError where it predicts something else."""
        prediction = str(scheduler.config.get("prediction_type", "epsilon"))
        if prediction not in {"epsilon", "v_prediction"}:
            raise TrainingError(
                "The base cannot be trained.",
                f"It predicts “{prediction}”, and the trainer knows epsilon and v_prediction.",
                "Choose another base model.",
                "prediction-type",
            )
        return cls(scheduler.alphas_cumprod.float().cpu(), prediction, loss.min_snr_gamma)

    def times(self, levels: Tensor) -> Tensor:
        """Whole timesteps 0…T-1, int64."""
        total = len(self.alphas)
        return (levels * total).long().clamp(0, total - 1)

    def _roots(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(√ᾱ, √(1-ᾱ)), shaped to multiply pictures."""
        alphas = self.alphas.to(like.device)[times].reshape(-1, *[1] * (like.dim() - 1))
        return alphas.sqrt(), (1 - alphas).sqrt()

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        signal, spread = self._roots(times, latents)
        return signal * latents + spread * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._roots(times, latents)  # Salimans and Ho 2022, arXiv 2202.00512, appendix D
        return signal * noise - spread * latents

    def weights(self, times: Tensor) -> Tensor | None:
        """Min-SNR-γ: min(SNR, γ)/SNR for ε, min(SNR, γ)/(SNR+1) for v (Hang et al. 2023, arXiv 2303.09556, §3.4)."""
        if self.gamma is None:
            return None
        alphas = self.alphas.to(times.device)[times]
        if self.prediction == "epsilon":
            return (self.gamma * (1 - alphas) / alphas).clamp(max=1.0)  # γ/SNR; at SNR 0 the quotient is infinite
        snr = alphas / (1 - alphas)
        return snr.clamp(max=self.gamma) / (snr + 1)


class Flow:
    """Rectified flow of FLUX.1: a straight line from picture to noise, and its direction as the target."""

    def __init__(self, loss: LossConfig) -> None:
        """Raises TrainingError for settings that only diffusion models have."""
        for name, value in (("min_snr_gamma", loss.min_snr_gamma), ("noise_offset", loss.noise_offset)):
            if value:
                raise TrainingError(
                    f"{name.replace('_', ' ').capitalize()} cannot be used with this base.",
                    "It is a correction of diffusion models' noise schedule, and FLUX.1 is trained by flow matching.",
                    f"Leave loss.{name} empty for FLUX.1.",
                    "flow-setting",
                )

    def times(self, levels: Tensor) -> Tensor:
        """Noise shares σ in (0, 1), float32."""
        return levels

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        share = times.reshape(-1, *[1] * (latents.dim() - 1))
        return (1 - share) * latents + share * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return noise - latents

    def weights(self, times: Tensor) -> Tensor | None:
        return None
