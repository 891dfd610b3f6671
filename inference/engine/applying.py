"""Applying an adapter to a pipeline for a while, and putting every weight back bit for bit."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.blocks import block_of
from inference.engine.deltas import ModuleDelta
from inference.engine.embeddings import lent
from inference.engine.errors import AdapterError, EngineError
from inference.engine.names import NameIndex, Target
from inference.engine.placing import Placed, Report, place
from inference.engine.reading import Adapter
from inference.engine.strengths import Strengths, strengths_of


@dataclass(frozen=True)
class _Step:
    """One entry of the adapter, the layers it changes, and how strongly."""

    delta: ModuleDelta
    target: Target
    layers: list[Any]
    strength: float


@contextmanager
def applied(
    pipe: Any, adapter: Adapter, weight: float | Strengths = 1.0, text_weight: float | None = None
) -> Iterator[Report]:
    """The pipeline with the adapter at this strength (`text_weight` for the text encoders, if it differs).

    `Strengths` in place of the number sets each text encoder and each block for itself. Every module of the adapter
    is in the report, applied or skipped with the reason. Raises AdapterError before anything is touched where a
    shape does not fit or nothing could be applied. Whatever ends the block, the weights and biases come back bit for
    bit.
    """
    index = NameIndex(pipe)
    strengths = strengths_of(weight, text_weight)
    placed, report = place(adapter, index)
    steps = [_step(index, entry, strengths) for entry in placed]
    with ExitStack() as stack:
        for embedding in adapter.embeddings:
            encoders = stack.enter_context(lent(pipe, embedding, strengths.embeddings))
            report.applied.extend(f"{encoder}:{embedding.token}" for encoder in encoders)
        kept = stack.enter_context(_restored())
        for step in steps:
            _apply(step, kept)
        yield report


def _step(index: NameIndex, entry: Placed, strengths: Strengths) -> _Step:
    layers = index.layers(entry.target)
    for layer in layers:
        if layer.weight.is_meta or not layer.weight.is_floating_point():
            raise EngineError(
                f"The adapter cannot be applied to {entry.target}.",
                "The weights of this layer are quantised or not in memory.",
                "Load the base model in float32, float16 or bfloat16, without offloading.",
            )
    return _Step(entry.delta, entry.target, layers, strengths.of(entry.target, block_of(index, entry.target)))


@contextmanager
def _restored() -> Iterator[dict[int, tuple[nn.Parameter, Tensor]]]:
    """A store for original values, which are copied back at the end, whatever ends it."""
    kept: dict[int, tuple[nn.Parameter, Tensor]] = {}
    try:
        yield kept
    finally:
        with torch.no_grad():
            for parameter, original in kept.values():
                parameter.data.copy_(original)


def _apply(step: _Step, kept: dict[int, tuple[nn.Parameter, Tensor]]) -> None:
    strength = step.strength
    if strength == 0:
        return
    with torch.no_grad():
        weights = [layer.weight for layer in step.layers]
        fused = _fused([weight.data.float() for weight in weights], step.target.swapped)
        _put(weights, step.delta.weight(fused, strength), step.target.swapped, kept)
        if _touches_bias(step):
            biases = [_bias(step, layer) for layer in step.layers]
            fused = _fused([bias.data.float() for bias in biases], step.target.swapped)
            _put(biases, step.delta.moved_bias(fused, strength), step.target.swapped, kept)


def _touches_bias(step: _Step) -> bool:
    """Multiplying a bias that is not there changes nothing; adding to it would be lost."""
    has_bias = any(isinstance(getattr(layer, "bias", None), nn.Parameter) for layer in step.layers)
    return step.delta.bias is not None or (step.delta.touches_bias and has_bias)


def _fused(parts: list[Tensor], swapped: bool) -> Tensor:
    whole = parts[0] if len(parts) == 1 else torch.cat(parts)
    return _swap(whole) if swapped else whole


def _swap(whole: Tensor) -> Tensor:
    return torch.cat(tuple(reversed(whole.chunk(2))))


def _put(
    parameters: list[nn.Parameter], whole: Tensor, swapped: bool, kept: dict[int, tuple[nn.Parameter, Tensor]]
) -> None:
    if swapped:
        whole = _swap(whole)
    sizes = [parameter.shape[0] for parameter in parameters]
    for parameter, part in zip(parameters, whole.split(sizes), strict=True):
        kept.setdefault(id(parameter), (parameter, parameter.data.clone()))
        parameter.data.copy_(part)


def _bias(step: _Step, layer: Any) -> nn.Parameter:
    bias = getattr(layer, "bias", None)
    if isinstance(bias, nn.Parameter):
        return bias
    raise AdapterError(
        f"The adapter's entry “{step.delta.name}” cannot be applied exactly.",
        f"It moves the bias of {step.target}, which has none in this base model.",
        "Choose the base model it was trained for.",
    )
