"""Stacks of adapters: what the adapters of one request, in their order, do to each layer of the base model.

A plan is equal to nested `applied`: where only low-rank changes meet on a layer they act beside it, in any order; where
something else takes part, the layer's weights are changed in the order of the stack, low-rank changes among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.serving.interface import AdapterUse
from inference.engine.serving.loading import Beside, Layers, Loaded, Within
from inference.engine.strengths import Strengths, strengths_of
from inference.engine.weights import fused

Signature = tuple[object, ...]
_PER_LAYER = 400
"""Bytes of Python objects that a plan needs for one layer, about."""


def signature(uses: Sequence[AdapterUse]) -> Signature:
    """The same for stacks that act the same."""
    return tuple((use.key, use.token, *_numbers(strengths_of(use.weight, use.text_weight))) for use in uses)


def _numbers(strengths: Strengths) -> tuple[object, ...]:
    text = strengths.text if isinstance(strengths.text, float | int) else tuple(sorted(strengths.text.items()))
    return strengths.denoiser, text, tuple(sorted(strengths.blocks.items()))


@dataclass(frozen=True, eq=False)
class Side:
    """Low-rank changes of one layer, added up."""

    layer: Any
    changes: tuple[tuple[Beside, float], ...]
    """With their whole factor: strength times the file's own scale."""

    @property
    def rank(self) -> int:
        return sum(change.up.shape[1] for change, _ in self.changes)


@dataclass
class Plan:
    """What a stack does to one side of the pipeline: its denoiser, or its text encoders."""

    sides: dict[int, Side] = field(default_factory=dict)
    """By id of the layer."""
    swaps: list[tuple[Any, str, nn.Parameter]] = field(default_factory=list)
    """(layer, name, the parameter to have in place of its own)"""

    @property
    def bytes(self) -> int:
        unique = {id(value): value.nbytes for _, _, value in self.swaps}
        return sum(unique.values()) + _PER_LAYER * (len(self.sides) + len(self.swaps))

    @property
    def empty(self) -> bool:
        return not self.sides and not self.swaps


@dataclass(frozen=True, eq=False)
class _Action:
    acts: Beside | Within
    strength: float

    @property
    def layers(self) -> tuple[Any, ...]:
        return self.acts.layers if isinstance(self.acts, Within) else (self.acts.layer,)


def plan(stack: Sequence[tuple[Loaded, Strengths]], layers: Layers, *, text: bool) -> Plan:
    """The plan of a stack for the text encoders, or for the denoiser."""
    actions = [action for loaded, strengths in stack for action in _actions(loaded, strengths, text=text)]
    changed = {id(layer) for action in actions if isinstance(action.acts, Within) for layer in action.layers}
    made = Plan()
    weights = _Weights(layers)
    for action in actions:
        if changed.isdisjoint(id(layer) for layer in action.layers):
            _add_side(made, action)
        else:
            weights.change(action)
    made.swaps.extend(weights.swaps())
    return made


def _actions(loaded: Loaded, strengths: Strengths, *, text: bool) -> list[_Action]:
    found: list[_Action] = []
    for part in loaded.parts:
        strength = strengths.of(part.target, part.block)
        if strength == 0 or part.target.component.startswith("text") != text:
            continue
        acts = (part.acts,) if isinstance(part.acts, Within) else part.acts
        found.extend(_Action(one, strength) for one in acts)
    return found


def _add_side(made: Plan, action: _Action) -> None:
    assert isinstance(action.acts, Beside)
    key, change = id(action.acts.layer), (action.acts, action.strength * action.acts.scale)
    before = made.sides[key].changes if key in made.sides else ()
    made.sides[key] = Side(action.acts.layer, (*before, change))


class _Weights:
    """Changed parameters in the making; the base's own are only read."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._made: dict[int, tuple[nn.Parameter, Tensor]] = {}

    def change(self, action: _Action) -> None:
        acts, strength = action.acts, action.strength
        weights = [layer.weight for layer in action.layers]
        if isinstance(acts, Beside):
            self._put(weights, [self._now(weights[0]) + acts.change() * strength])
            return
        delta, swapped = acts.delta, acts.swapped
        whole = fused([self._now(weight) for weight in weights], swapped=swapped)
        self._spread(weights, delta.weight(whole, strength), swapped=swapped)
        biases = [bias for layer in acts.layers if (bias := getattr(layer, "bias", None)) is not None]
        if delta.bias is not None or (delta.touches_bias and biases):
            whole = fused([self._now(bias) for bias in biases], swapped=swapped)
            self._spread(biases, delta.moved_bias(whole, strength), swapped=swapped)

    def _now(self, parameter: nn.Parameter) -> Tensor:
        made = self._made.get(id(parameter))
        return (parameter.data if made is None else made[1]).float()

    def _spread(self, parameters: list[nn.Parameter], whole: Tensor, *, swapped: bool) -> None:
        own = fused([whole], swapped=swapped)
        self._put(parameters, list(own.split([parameter.shape[0] for parameter in parameters])))

    def _put(self, parameters: list[nn.Parameter], values: list[Tensor]) -> None:
        for parameter, value in zip(parameters, values, strict=True):
            self._made[id(parameter)] = (parameter, value.to(parameter.dtype))

    def swaps(self) -> list[tuple[Any, str, nn.Parameter]]:
        """Where weights are tied, in all layers that hold them."""
        found: list[tuple[Any, str, nn.Parameter]] = []
        for parameter, value in self._made.values():
            owned = value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
            changed = nn.Parameter(owned.contiguous(), requires_grad=False)
            found.extend((layer, name, changed) for layer, name in self._layers.shared(parameter))
        return found


def stacked(sides: Sequence[Side | None], like: Tensor) -> tuple[Tensor, Tensor]:
    """The low-rank changes of several rows as one pair of batched factors, filled up with zeros to one rank.

    → down (rows, rank, in), up (rows, out, rank) with the strengths in `up`.
    """
    rank = max(side.rank for side in sides if side is not None)
    out, inside = like.shape[0], like.shape[1:].numel()
    down, up = like.new_zeros(len(sides), rank, inside), like.new_zeros(len(sides), out, rank)
    for row, side in enumerate(sides):
        if side is not None:
            write(side, down[row], up[row])
    return down, up


def write(side: Side, down: Tensor, up: Tensor) -> None:
    """Put the changes of a layer one below the other into (rank, in) and (out, rank)."""
    start = 0
    for change, factor in side.changes:
        stop = start + change.up.shape[1]
        down[start:stop] = change.down.flatten(1)
        torch.mul(change.up, factor, out=up[:, start:stop])
        start = stop
