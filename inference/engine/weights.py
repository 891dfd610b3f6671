"""The base model's weights, for operations that need its names, shapes or numbers: from memory or from files."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from inference.engine.names import NameIndex, Target


class BaseWeights(Protocol):
    """A base model to compute against."""

    @property
    def index(self) -> NameIndex:
        """Its layers by every name."""
        ...

    def weight(self, target: Target) -> Tensor:
        """The float32 weight of a target, as `fused` puts it together. Raises EngineError where it cannot be had."""
        ...


def fused(parts: Sequence[Tensor], *, swapped: bool) -> Tensor:
    """The weight as the layout of the target has it: one part's rows below the other's, halves exchanged."""
    whole = parts[0] if len(parts) == 1 else torch.cat(list(parts))
    return torch.cat(tuple(reversed(whole.chunk(2)))) if swapped else whole


class LoadedWeights:
    """Those of a pipeline in memory."""

    def __init__(self, pipe: Any) -> None:
        self.index = NameIndex(pipe)

    def weight(self, target: Target) -> Tensor:
        layers = self.index.layers(target)
        return fused([layer.weight.detach().float() for layer in layers], swapped=target.swapped)
