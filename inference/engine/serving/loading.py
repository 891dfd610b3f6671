"""An adapter made ready for a base model in memory: what can act beside a layer, and what has to change its weights.

A low-rank change of a linear layer or convolution acts beside it, `y += strength · up(down(x))`, with no weight
touched (kohya's LoRA, LoCon, Tucker, and all that is written so). Every other kind is kept as its delta, and the
changed weights are computed when a stack of adapters is put together (`stacks.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.blocks import block_of
from inference.engine.deltas import ModuleDelta
from inference.engine.embeddings import Embedding
from inference.engine.errors import AdapterError, EngineError
from inference.engine.factors import LowRank
from inference.engine.names import NameIndex, Target
from inference.engine.placing import Placed, Report, place
from inference.engine.reading import interpret
from inference.engine.serving.blocks import Block, Blocks, read_into_block


@dataclass(frozen=True, eq=False)
class Beside:
    """A low-rank change of one layer, ready to act beside it."""

    layer: Any
    down: Tensor
    """(rank, in) for linear layers, (rank, in, *kernel) for convolutions; in the layer's number type."""
    up: Tensor
    """(out, rank)"""
    scale: float
    block: Block
    """Holds the memory of both."""

    def change(self) -> Tensor:
        """The difference to the layer's weight in float32, in its shape."""
        up, down = self.up.float() * self.scale, self.down.float().flatten(1)
        return (up @ down).reshape(self.layer.weight.shape)


@dataclass(frozen=True, eq=False)
class Within:
    """A change that needs the weights: of one layer, or of several that the file sees as one."""

    delta: ModuleDelta
    layers: tuple[Any, ...]
    swapped: bool
    block: Block


@dataclass(frozen=True, eq=False)
class Part:
    """One entry of the file: where it acts, which decides its strength, and as what."""

    target: Target
    block: str
    acts: tuple[Beside, ...] | Within


@dataclass(frozen=True, eq=False)
class Loaded:
    """An adapter in memory, for one base model."""

    parts: tuple[Part, ...]
    embeddings: tuple[Embedding, ...]
    report: Report
    block: Block
    bytes: int


class Layers:
    """The layers of a base model by name, with what is looked up often."""

    def __init__(self, pipe: Any, make_room: Callable[[int], None] = lambda size: None) -> None:
        self.pipe = pipe
        self.index = NameIndex(pipe)
        self.owners = _owners(pipe, self.index)
        self.memory = Blocks(next(self.index.module(self.index.components[0]).parameters()).device, make_room)
        self._blocks: dict[Target, str] = {}
        self._touched: dict[Target, tuple[Any, ...]] = {}

    def of(self, target: Target) -> tuple[Any, ...]:
        if target not in self._touched:
            self._touched[target] = tuple(self.index.layers(target))
        return self._touched[target]

    def block(self, target: Target) -> str:
        if target not in self._blocks:
            self._blocks[target] = block_of(self.index, target)
        return self._blocks[target]

    def shared(self, parameter: nn.Parameter) -> Sequence[tuple[Any, str]]:
        """Every (layer, name) that holds this parameter; more than one where weights are tied."""
        return self.owners[id(parameter)]


def _owners(pipe: Any, index: NameIndex) -> dict[int, list[tuple[Any, str]]]:
    owners: dict[int, list[tuple[Any, str]]] = {}
    for component in index.components:
        for module in getattr(pipe, component).modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    owners.setdefault(id(parameter), []).append((module, name))
    return owners


def load(path: Path, layers: Layers, *, token: str | None = None) -> Loaded:
    """Read the file and find a place for every entry.

    Raises AdapterError where the file is broken, does not fit or does nothing here; EngineError where the base's
    weights are quantised or not in memory.
    """
    file, block = read_into_block(path, layers.memory)
    adapter = interpret(file, token=token)
    placed, report = place(adapter, layers.index)
    parts = tuple(_part(entry, layers, block) for entry in placed)
    copies = sum(_bytes(part, block) for part in parts)
    return Loaded(parts, adapter.embeddings, report, block, block.bytes + copies)


def _part(entry: Placed, layers: Layers, block: Block) -> Part:
    target, delta = entry.target, entry.delta
    touched = layers.of(target)
    if any(layer.weight.is_meta or not layer.weight.is_floating_point() for layer in touched):
        raise EngineError(
            f"The adapter cannot be applied to {target}.",
            "The weights of this layer are quantised or not in memory.",
            "Load the base model in float32, float16 or bfloat16, without offloading.",
        )
    if delta.bias is not None and any(getattr(layer, "bias", None) is None for layer in touched):
        raise AdapterError(
            f"The adapter's entry “{delta.name}” cannot be applied exactly.",
            f"It moves the bias of {target}, which has none in this base model.",
            "Choose the base model it was trained for.",
        )
    factor = delta.factor
    beside = isinstance(factor, LowRank) and delta.magnitude is None and not delta.touches_bias
    if beside and all(_can_stand_beside(layer, layers) for layer in touched):
        return Part(target, layers.block(target), _beside(factor, touched, block, swapped=target.swapped))
    return Part(target, layers.block(target), Within(delta, touched, target.swapped, block))


def _can_stand_beside(layer: Any, layers: Layers) -> bool:
    if len(layers.shared(layer.weight)) > 1:
        return False
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1
    return isinstance(layer, nn.Linear)


def _beside(factor: Any, touched: Sequence[Any], block: Block, *, swapped: bool) -> tuple[Beside, ...]:
    """One for each layer; the outputs of a fused entry are cut by rows, what it does to the inputs is shared."""
    up, down = factor.up.flatten(1), factor.down
    if factor.mid is not None:  # Tucker: the core and `down` are one convolution
        down = torch.einsum("i j ..., j q -> i q ...", factor.mid.float(), down.float().flatten(1))
    if swapped:
        up = torch.cat(tuple(reversed(up.chunk(2))))
    rows = up.split([layer.weight.shape[0] for layer in touched])
    return tuple(_one(layer, down, own, factor.scale, block) for layer, own in zip(touched, rows, strict=True))


def _one(layer: Any, down: Tensor, up: Tensor, scale: float, block: Block) -> Beside:
    like = layer.weight
    shaped = down.reshape(down.shape[0], *like.shape[1:])
    return Beside(layer, shaped.to(like).contiguous(), up.to(like).contiguous(), scale, block)


def _bytes(part: Part, block: Block) -> int:
    """Of what was copied out of the block: into another number type, or a core contracted."""
    if isinstance(part.acts, Within):
        return 0
    tensors = [tensor for one in part.acts for tensor in (one.down, one.up)]
    return sum(tensor.nbytes for tensor in tensors if not block.holds(tensor))
