"""What an adapter does to one module: a factor, the magnitude of a DoRA, and what happens to the bias."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inference.engine.factors import Factor


@dataclass(frozen=True)
class Magnitude:
    """The length DoRA gives each output row (or, in older files, each input column) of the changed weight.

    `lycoris`: W' = V · (1 + s · (m / ‖V‖ − 1)) with V = W + ΔW.
    `peft`:    W' = V · m / ‖V‖ with V = W + s · ΔW.
    Both forms are those of the respective forward pass; they agree at strength 1, and neither is the identity as
    the strength goes to 0 (`ModuleDelta` therefore leaves the weight alone at exactly 0).
    """

    values: Tensor
    style: Literal["lycoris", "peft"]

    def fits(self, shape: torch.Size) -> bool:
        return self.values.numel() == shape[1 if self._on_input(shape) else 0]

    def _on_input(self, shape: torch.Size) -> bool:
        """[1, in] against [out, 1]; PEFT writes [out], or [1, out, 1, 1] for convolutions."""
        if self.style == "peft" or self.values.dim() < 2:
            return False
        return self.values.shape[0] == 1 and self.values.shape[1] == shape[1] and shape[0] != 1

    def changed(self, weight: Tensor, change: Tensor, strength: float) -> Tensor:
        direction = weight + (change * strength if self.style == "peft" else change)
        kept = 1 if self._on_input(weight.shape) else 0
        others = [axis for axis in range(weight.dim()) if axis != kept]
        norm = torch.linalg.vector_norm(direction, dim=others, keepdim=True)
        length = self.values.to(device=weight.device, dtype=torch.float32).reshape(norm.shape)
        if self.style == "peft":
            scale: Tensor = length / norm
        else:
            scale = strength * (length / (norm + torch.finfo(torch.float32).eps) - 1) + 1
        return direction * scale


@dataclass(frozen=True)
class ModuleDelta:
    """One entry of an adapter, under the name its file gives the module."""

    name: str
    kind: str
    factor: Factor
    magnitude: Magnitude | None = None
    bias: Tensor | None = None
    bias_factor: Tensor | None = None

    def fits(self, weight: torch.Size) -> bool:
        if not self.factor.fits(weight) or (self.magnitude is not None and not self.magnitude.fits(weight)):
            return False
        vectors = [vector for vector in (self.bias, self.bias_factor) if vector is not None]
        return all(vector.numel() == weight[0] for vector in vectors)

    def weight(self, weight: Tensor, strength: float) -> Tensor:
        """The changed weight, for a float32 weight."""
        if strength == 0:
            return weight
        if self.magnitude is not None:
            return self.magnitude.changed(weight, self.factor.change(weight), strength)
        return self.factor.changed(weight, strength)

    def moved_bias(self, bias: Tensor, strength: float) -> Tensor:
        """The changed bias, for a float32 bias."""
        if self.bias_factor is not None:
            bias = bias * (1 + strength * self.bias_factor.to(bias).reshape(bias.shape))
        if self.bias is not None:
            bias = bias + strength * self.bias.to(bias).reshape(bias.shape)
        return bias

    @property
    def touches_bias(self) -> bool:
        return self.bias is not None or self.bias_factor is not None
