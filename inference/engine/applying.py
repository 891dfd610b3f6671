"""Applying an adapter to a pipeline for a while, and putting every weight back bit for bit."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.deltas import ModuleDelta
from inference.engine.embeddings import lent
from inference.engine.errors import AdapterError, EngineError
from inference.engine.names import NameIndex, Target
from inference.engine.reading import Adapter, Skipped


@dataclass
class Report:
    """What became of every module of an adapter."""

    applied: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Step:
    """One entry of the adapter and the layers it changes."""

    delta: ModuleDelta
    target: Target
    layers: list[Any]

    @property
    def shape(self) -> torch.Size:
        first = self.layers[0].weight.shape
        return torch.Size([sum(layer.weight.shape[0] for layer in self.layers), *first[1:]])


@contextmanager
def applied(pipe: Any, adapter: Adapter, weight: float = 1.0, text_weight: float | None = None) -> Iterator[Report]:
    """The pipeline with the adapter at this strength (`text_weight` for the text encoders, if it differs).

    Every module of the adapter is in the report, applied or skipped with the reason. Raises AdapterError before
    anything is touched where a shape does not fit or nothing could be applied. Whatever ends the block, the
    weights and biases come back bit for bit.
    """
    report = Report(skipped=[_pair(skipped) for skipped in adapter.unread])
    text_weight = weight if text_weight is None else text_weight
    steps = _plan(pipe, adapter, report)
    with ExitStack() as stack:
        for embedding in adapter.embeddings:
            encoders = stack.enter_context(lent(pipe, embedding, text_weight))
            report.applied.extend(f"{encoder}:{embedding.token}" for encoder in encoders)
        kept = stack.enter_context(_restored())
        for step in steps:
            _apply(step, text_weight if step.target.component.startswith("text") else weight, kept)
        yield report


def _pair(skipped: Skipped) -> tuple[str, str]:
    return skipped.module, skipped.why


def _plan(pipe: Any, adapter: Adapter, report: Report) -> list[_Step]:
    """Find the layers of every entry, and check all of it before the first weight is touched."""
    index = NameIndex(pipe)
    steps = []
    for delta in adapter.deltas:
        candidates = [_step(pipe, delta, target) for target in index.candidates(delta.name)]
        if not candidates:
            report.skipped.append((delta.name, index.why_absent(delta.name)))
            continue
        step = next((step for step in candidates if delta.fits(step.shape)), None)
        if step is None:
            raise _mismatch(candidates[0])
        steps.append(step)
        report.applied.append(str(step.target))
    if not steps and not adapter.embeddings:
        raise _nothing_applied(report)
    return steps


def _step(pipe: Any, delta: ModuleDelta, target: Target) -> _Step:
    component = getattr(pipe, target.component)
    layers = [component.get_submodule(module) for module in target.modules]
    for layer in layers:
        if layer.weight.is_meta or not layer.weight.is_floating_point():
            raise EngineError(
                f"The adapter cannot be applied to {target}.",
                "The weights of this layer are quantised or not in memory.",
                "Load the base model in float32, float16 or bfloat16, without offloading.",
            )
    return _Step(delta, target, layers)


def _mismatch(step: _Step) -> AdapterError:
    here = " × ".join(str(side) for side in step.shape)
    return AdapterError(
        "The adapter does not fit this base model.",
        f"Its entry “{step.delta.name}” was made for {step.delta.factor.shape_text()}, "
        f"but {step.target} has the shape {here}. It was probably trained for another base family.",
        "Choose the base model it was trained for.",
    )


def _nothing_applied(report: Report) -> AdapterError:
    name, why = report.skipped[0]
    return AdapterError(
        "The adapter does nothing on this base model.",
        f"None of its {len(report.skipped)} entries has a place there (the first: “{name}”. {why}).",
        "Choose the base model it was trained for.",
    )


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


def _apply(step: _Step, strength: float, kept: dict[int, tuple[nn.Parameter, Tensor]]) -> None:
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
