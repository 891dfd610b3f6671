"""Adapters in place on the layers of a component for a while, without a weight written.

Where all rows of a batch have the same stack, its low-rank changes stand beside the layers (the layer's own `forward`
is covered), and changed weights hang in place of the base's, by pointer. Where rows differ, low-rank changes of linear
layers are one batched product, and a layer with changed weights runs once for each of its stacks. A layer that no
adapter touches is not touched either: without an adapter the base runs as if none of this were here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.engine.errors import EngineError
from inference.engine.serving.stacks import Plan, Side, stacked

Forward = Callable[..., Any]
_Swaps = dict[str, nn.Parameter]


class RowsError(EngineError):
    """A layer whose input has no rows of single pictures: these requests have to run one by one."""


@contextmanager
def installed(plans: Sequence[Plan]) -> Iterator[None]:
    """One plan for each row of the batch; the same plan for all is the fast way. Everything is off again at the end."""
    first = plans[0]
    with ExitStack() as stack:
        if all(plan is first for plan in plans):
            put(first, stack)
        elif any(not plan.empty for plan in plans):
            _put_mixed(plans, stack)
        yield


def put(plan: Plan, stack: ExitStack) -> None:
    """One plan for all rows, taken off when the stack is closed."""
    covered: list[Any] = []
    exchanged: list[tuple[Any, str, Any]] = []
    stack.callback(_take_off, covered, exchanged)
    for side in plan.sides.values():
        covered.append(side.layer)
        side.layer.__dict__["forward"] = _beside(side)
    for layer, name, parameter in plan.swaps:
        exchanged.append((layer, name, layer._parameters[name]))
        layer._parameters[name] = parameter


def _take_off(covered: list[Any], exchanged: list[tuple[Any, str, Any]]) -> None:
    for layer in covered:
        del layer.__dict__["forward"]
    for layer, name, parameter in exchanged:
        layer._parameters[name] = parameter


def _beside(side: Side) -> Forward:
    """The layer's forward with its low-rank changes."""
    layer = side.layer
    own = type(layer).forward
    if isinstance(layer, nn.Linear):
        linear = tuple((change.down, change.up.T, factor) for change, factor in side.changes)
        return partial(_linear, own, layer, linear)
    kernels = tuple((change.down, change.up[:, :, None, None], factor) for change, factor in side.changes)
    return partial(_convolution, own, layer, kernels)


def _linear(own: Forward, layer: Any, changes: tuple[tuple[Tensor, Tensor, float], ...], x: Tensor) -> Tensor:
    y: Tensor = own(layer, x)
    flat = y.view(-1, y.shape[-1])
    for down, up, factor in changes:
        inner = functional.linear(x, down)
        flat.addmm_(inner.reshape(-1, inner.shape[-1]), up, alpha=factor)
    return y


def _convolution(own: Forward, layer: Any, changes: tuple[tuple[Tensor, Tensor, float], ...], x: Tensor) -> Tensor:
    y: Tensor = own(layer, x)
    for down, up, factor in changes:
        y.add_(functional.conv2d(layer._conv_forward(x, down, None), up), alpha=factor)
    return y


def _put_mixed(plans: Sequence[Plan], stack: ExitStack) -> None:
    swaps = [_by_layer(plan) for plan in plans]
    layers = {id(side.layer): side.layer for plan in plans for side in plan.sides.values()}
    layers |= {id(layer): layer for plan in plans for layer, _, _ in plan.swaps}
    covered: list[Any] = []
    stack.callback(_take_off, covered, [])
    for key, layer in layers.items():
        sides = [plan.sides.get(key) for plan in plans]
        own = [swap.get(key, {}) for swap in swaps]
        covered.append(layer)
        if not any(own) and isinstance(layer, nn.Linear):
            layer.__dict__["forward"] = _Batched(layer, sides)
        else:
            layer.__dict__["forward"] = _ByStack(layer, sides, own)


def _by_layer(plan: Plan) -> dict[int, _Swaps]:
    found: dict[int, _Swaps] = {}
    for layer, name, parameter in plan.swaps:
        found.setdefault(id(layer), {})[name] = parameter
    return found


def _copies(layer: Any, rows: int, x: Tensor) -> int:
    """How often the requests follow one another in a batch: twice with guidance."""
    if x.dim() < 2 or x.shape[0] % rows:
        raise RowsError(
            "These requests cannot be made in one run.",
            f"A {type(layer).__name__} gets an input of {list(x.shape)}, which has no rows for {rows} pictures.",
            "Make them one after the other.",
        )
    return x.shape[0] // rows


class _Batched:
    """A linear layer whose rows have different low-rank changes: two batched products for all of them."""

    def __init__(self, layer: Any, sides: Sequence[Side | None]) -> None:
        self.layer, self.rows = layer, len(sides)
        self.down, self.up = stacked(sides, layer.weight)

    def __call__(self, x: Tensor) -> Tensor:
        copies = _copies(self.layer, self.rows, x)
        y: Tensor = type(self.layer).forward(self.layer, x)
        down, up = (
            (self.down, self.up) if copies == 1 else (self.down.repeat(copies, 1, 1), self.up.repeat(copies, 1, 1))
        )
        wide = x.reshape(x.shape[0], -1, x.shape[-1])
        inner = torch.bmm(wide, down.transpose(1, 2))
        y.view(y.shape[0], -1, y.shape[-1]).baddbmm_(inner, up.transpose(1, 2))
        return y


class _ByStack:
    """A layer that runs once for each of the stacks in a batch, on their rows."""

    def __init__(self, layer: Any, sides: Sequence[Side | None], swaps: Sequence[_Swaps]) -> None:
        self.layer, self.rows = layer, len(sides)
        groups: dict[tuple[object, ...], list[int]] = {}
        for row, (side, swap) in enumerate(zip(sides, swaps, strict=True)):
            groups.setdefault((id(side), *sorted((name, id(value)) for name, value in swap.items())), []).append(row)
        self.groups = [(rows, self._forward(sides[rows[0]]), swaps[rows[0]]) for rows in groups.values()]

    def _forward(self, side: Side | None) -> Forward:
        return partial(type(self.layer).forward, self.layer) if side is None else _beside(side)

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        copies = _copies(self.layer, self.rows, x)
        whole: Tensor | None = None
        for rows, forward, swaps in self.groups:
            chosen = [copy * self.rows + row for copy in range(copies) for row in rows]
            with _hung(self.layer, swaps):
                part = forward(x[chosen], *args, **kwargs)
            if whole is None:
                whole = part.new_empty(x.shape[0], *part.shape[1:])
            whole[chosen] = part
        assert whole is not None
        return whole


@contextmanager
def _hung(layer: Any, swaps: _Swaps) -> Iterator[None]:
    own = {name: layer._parameters[name] for name in swaps}
    layer._parameters.update(swaps)
    try:
        yield
    finally:
        layer._parameters.update(own)
