"""One adapted layer of each kind: what it adds to the layer's forward pass, and what its file holds.

Formulas are those of lycoris-lora 4.1.3 and PEFT 0.21, whose modules are the tests' reference. They are written here
once more because LyCORIS builds the whole ΔW even where two thin products do, takes the weights off a layer it trains
in full, knows no dropout for LoHa and LoKr, draws its start from the global generator, and cannot be switched off
exactly; PEFT knows half of the kinds. Here strength 0 calls the base layer alone, for every kind.

Weights are (out, in) or (out, in, *kernel). Parameters are float32. The base may be in any format; DoRA and full
differences read its weight, the others work on a quantised one as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import torch
from lycoris.functional.general import factorization
from torch import Generator, Tensor, nn
from torch.nn import functional

from training.engine.config import AdapterConfig


def _kaiming(shape: tuple[int, ...], chance: Generator) -> nn.Parameter:
    """As every trainer starts the lower factor: uniform in ±1/√fan_in."""
    tensor = torch.empty(shape)
    nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=chance)
    return nn.Parameter(tensor)


def _normal(shape: tuple[int, ...], spread: float, chance: Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=chance) * spread)


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def shape_of(layer: nn.Module) -> tuple[int, ...]:
    """The weight's shape, also where it is quantised and packed."""
    if isinstance(layer, nn.Conv2d):
        return (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
    if isinstance(layer, nn.Linear):
        return (layer.out_features, layer.in_features)
    raise TypeError(f"a {type(layer).__name__} cannot be adapted")


class AdaptedLayer(nn.Module):
    """An adapter on one layer. It takes over the layer's `forward` and calls the layer's own."""

    kind: ClassVar[str]

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = (layer,)  # in a tuple, so that the base's weights are none of this module's
        self.shape = shape_of(layer)
        self.strength = 1.0
        self._base: Callable[[Tensor], Tensor] = layer.forward

    @property
    def layer(self) -> Any:
        return self._layer[0]

    def install(self) -> None:
        self.layer.forward = self._forward

    def remove(self) -> None:
        """Give the layer its own forward back."""
        del self.layer.forward

    def _forward(self, inputs: Tensor) -> Tensor:
        return self._base(inputs) if self.strength == 0 else self.adapted(inputs)

    def adapted(self, inputs: Tensor) -> Tensor:
        """The layer's output with the adapter at its strength."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds for this layer, by kohya's and LyCORIS' slots; float32, alpha included."""
        raise NotImplementedError

    def operate(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer's operation with another weight."""
        layer = self.layer
        if isinstance(layer, nn.Conv2d):
            return functional.conv2d(inputs, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
        return functional.linear(inputs, weight, bias)

    def _weight(self) -> Tensor:
        weight: Tensor = self.layer.weight
        return weight.float()


class _Additive(AdaptedLayer):
    """W·x + s·ΔW·x, with dropout in front of the second term."""

    def __init__(self, layer: nn.Module, config: AdapterConfig, rank: int) -> None:
        super().__init__(layer)
        self.rank, self.dropout = rank, config.dropout
        self.alpha = float(config.alpha) or float(rank)  # 0 counts as the rank, as all programs read it
        self.scale = self.alpha / rank

    def adapted(self, inputs: Tensor) -> Tensor:
        base = self._base(inputs)
        if self.training and self.dropout:
            inputs = functional.dropout(inputs, self.dropout)
        return torch.add(base, self.added(inputs), alpha=self.scale * self.strength)

    def added(self, inputs: Tensor) -> Tensor:
        """ΔW·x before scaling; in float32 where no autocast says otherwise."""
        weight = self.change().reshape(self.shape)
        return self.operate(_for(inputs, weight), weight)

    def change(self) -> Tensor:
        """ΔW before scaling, in any shape of as many elements."""
        raise NotImplementedError

    def _alpha(self) -> Tensor:
        return torch.tensor(self.alpha)


def _for(inputs: Tensor, weight: Tensor) -> Tensor:
    """Inputs in the weight's format; autocast, where it is on, chooses one itself."""
    if inputs.dtype == weight.dtype or torch.is_autocast_enabled(inputs.device.type):
        return inputs
    return inputs.to(weight.dtype)


class LowRank(_Additive):
    """LoRA, and LoCon on convolutions: ΔW = up · down (Hu et al. 2021, arXiv 2106.09685)."""

    kind = "lora"

    def __init__(self, layer: nn.Module, config: AdapterConfig, rank: int, chance: Generator) -> None:
        super().__init__(layer, config, rank)
        out, *rest = self.shape
        self.down = _kaiming((rank, *rest), chance)
        self.up = _zeros(out, rank, *[1] * len(rest[1:]))

    def added(self, inputs: Tensor) -> Tensor:
        inputs = _for(inputs, self.down)
        if isinstance(self.layer, nn.Conv2d):
            return functional.conv2d(self.operate(inputs, self.down), self.up)
        return functional.linear(functional.linear(inputs, self.down), self.up)

    def change(self) -> Tensor:
        return self.up.flatten(1) @ self.down.flatten(1)

    def tensors(self) -> dict[str, Tensor]:
        return {"lora_down.weight": self.down, "lora_up.weight": self.up, "alpha": self._alpha()}


class Decomposed(LowRank):
    """DoRA: the length of each output row is learned apart from its direction (Liu et al. 2024, arXiv 2402.09353).

    The norm counts as a constant in the backward pass, as the paper has it (§4.3).
    """

    kind = "dora"

    def __init__(self, layer: nn.Module, config: AdapterConfig, rank: int, chance: Generator) -> None:
        super().__init__(layer, config, rank, chance)
        self.magnitude = nn.Parameter(_lengths(self._weight()).detach().cpu().clone())

    def adapted(self, inputs: Tensor) -> Tensor:
        weight = self._weight() + self.change().reshape(self.shape) * self.scale
        ratio = self.magnitude / _lengths(weight.detach())
        factor = ratio if self.strength == 1 else 1 + self.strength * (ratio - 1)
        merged = weight * factor
        bias = self.layer.bias
        return self.operate(_for(inputs, merged), merged, None if bias is None else bias.to(merged)).to(inputs.dtype)

    def tensors(self) -> dict[str, Tensor]:
        return {**super().tensors(), "dora_scale": self.magnitude}


def _lengths(weight: Tensor) -> Tensor:
    """(out, 1, …): the norm of each output row."""
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)
    return lengths


class Hadamard(_Additive):
    """LoHa: ΔW = (w1_a·w1_b) ⊙ (w2_a·w2_b) (Hyeon-Woo et al. 2022, arXiv 2108.06098)."""

    kind = "loha"

    def __init__(self, layer: nn.Module, config: AdapterConfig, rank: int, chance: Generator) -> None:
        super().__init__(layer, config, rank)
        out, width = self.shape[0], prod(self.shape[1:])
        self.w1_a, self.w1_b = _normal((out, rank), 0.1, chance), _normal((rank, width), 1.0, chance)
        self.w2_a, self.w2_b = _zeros(out, rank), _normal((rank, width), 1.0, chance)

    def change(self) -> Tensor:
        return (self.w1_a @ self.w1_b) * (self.w2_a @ self.w2_b)

    def tensors(self) -> dict[str, Tensor]:
        halves = {f"hada_{name}": getattr(self, name) for name in ("w1_a", "w1_b", "w2_a", "w2_b")}
        return {**halves, "alpha": self._alpha()}


class Kronecker(_Additive):
    """LoKr: ΔW = w1 ⊗ w2, w2 as a product of two where the rank is small enough (Yeh et al. 2023, arXiv 2309.14859)."""

    kind = "lokr"

    def __init__(self, layer: nn.Module, config: AdapterConfig, rank: int, chance: Generator) -> None:
        super().__init__(layer, config, rank)
        out, into, *kernel = self.shape
        (out1, out2), (in1, in2) = factorization(out, config.lokr_factor), factorization(into, config.lokr_factor)
        self._second = (out2, in2, *kernel)
        self.w1 = _kaiming((out1, in1), chance)
        self.whole = rank >= max(out2, in2) / 2
        if self.whole:
            self.w2 = _zeros(*self._second)
            self.alpha, self.scale = float(rank), 1.0  # two whole factors: every program takes the scale as 1
        else:
            self.w2_a = _kaiming((out2, rank), chance)
            self.w2_b = _zeros(rank, in2 * prod(kernel))

    def change(self) -> Tensor:
        second = self.w2 if self.whole else (self.w2_a @ self.w2_b).reshape(self._second)
        return torch.kron(self.w1.reshape(*self.w1.shape, *[1] * (second.dim() - 2)), second)

    def tensors(self) -> dict[str, Tensor]:
        second = {"lokr_w2": self.w2} if self.whole else {"lokr_w2_a": self.w2_a, "lokr_w2_b": self.w2_b}
        return {"lokr_w1": self.w1, **second, "alpha": self._alpha()}


class Rescaled(AdaptedLayer):
    """IA³: W · (1 + v), along the outputs, or the inputs of a feed-forward's second layer (arXiv 2205.05638).

    The bias is not scaled, as LyCORIS has it.
    """

    kind = "ia3"

    def __init__(self, layer: nn.Module, *, on_input: bool) -> None:
        super().__init__(layer)
        self.on_input = on_input
        sides = [1] * len(self.shape[2:])
        width = self.shape[1 if on_input else 0]
        self.vector = nn.Parameter(torch.zeros(1, width, *sides) if sides else torch.zeros(width))

    def adapted(self, inputs: Tensor) -> Tensor:
        factor = self.strength * self.vector
        if self.on_input:
            return self._base((inputs * (1 + factor)).to(inputs.dtype))
        base = self._base(inputs)
        bias: Tensor | None = self.layer.bias
        turned = base if bias is None else base - bias.to(base.dtype).reshape(self.vector.shape)
        return (base + turned * factor).to(base.dtype)

    def tensors(self) -> dict[str, Tensor]:
        return {"weight": self.vector, "on_input": torch.tensor(int(self.on_input))}


class Whole(AdaptedLayer):
    """A whole difference to weight and bias: full-rank fine-tuning, kept apart from the base."""

    kind = "full"

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(layer)
        self.diff = _zeros(*self.shape)
        self.diff_bias = None if getattr(layer, "bias", None) is None else _zeros(self.shape[0])

    def adapted(self, inputs: Tensor) -> Tensor:
        weight = self._weight() + self.strength * self.diff
        bias = None if self.diff_bias is None else self.layer.bias.float() + self.strength * self.diff_bias
        return self.operate(_for(inputs, weight), weight, bias).to(inputs.dtype)

    def tensors(self) -> dict[str, Tensor]:
        bias = {} if self.diff_bias is None else {"diff_b": self.diff_bias}
        return {"diff": self.diff, **bias}
