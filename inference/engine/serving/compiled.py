"""The *compiled* pattern: the denoiser compiled once, with places for adapters whose numbers change and shapes do not.

Every linear layer and 1 × 1 convolution of the attention blocks has `slots` places of one rank. A place holds the
low-rank changes of a whole stack, strengths included, filled up with zeros; place 0 is empty. Which row of a batch uses
which place is a tensor, so that neither a switch nor new numbers in a place compile anything. Another number of rows or
another size of picture is compiled once. A stack that cannot stand in places (other kinds, other layers, a larger rank)
is put into the weights for its own run: the values change, the compiled code does not.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.applying import applied
from inference.engine.errors import EngineError
from inference.engine.reading import read_adapter
from inference.engine.serving.interface import Pattern
from inference.engine.serving.servers import BaseServer, Ready
from inference.engine.serving.stacks import Plan, Signature, write

_BLOCKS = (".attentions.", "transformer_blocks.")


class _Placed(nn.Module):
    """What a layer with places has besides its own."""

    place_down: Tensor
    """(places, rank, in)"""
    place_up: Tensor
    """(places, out, rank)"""
    place_rows: Tensor
    """The place of each request; in a batch they follow one another once, or twice with guidance."""

    def _chosen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.place_rows.repeat(x.shape[0] // self.place_rows.shape[0])
        return self.place_down.index_select(0, rows), self.place_up.index_select(0, rows)


class _PlacedLinear(_Placed, nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        y = nn.Linear.forward(self, x)
        down, up = self._chosen(x)
        inner = torch.bmm(x.reshape(x.shape[0], -1, x.shape[-1]), down.transpose(1, 2))
        return y + torch.bmm(inner, up.transpose(1, 2)).view(y.shape)


class _PlacedPoint(_Placed, nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        y = nn.Conv2d.forward(self, x)
        down, up = self._chosen(x)
        return y + torch.bmm(up, torch.bmm(down, x.flatten(2))).view(y.shape)


class Places:
    """The places of all layers of a denoiser, and which stack lies in which."""

    def __init__(self, denoiser: nn.Module, *, rank: int, count: int) -> None:
        self.rank = rank
        self._layers = [layer for path, layer in denoiser.named_modules() if _takes_places(path, layer)]
        if not self._layers:
            raise EngineError(
                "The base model cannot be served compiled.",
                "No attention layers were found in it that could have places for adapters.",
                "Choose the dynamic pattern for it in the settings.",
            )
        self.ids = frozenset(id(layer) for layer in self._layers)
        self._free = list(range(1, count + 1))
        self._used: OrderedDict[Signature, int] = OrderedDict()
        self._rows = torch.zeros(1, dtype=torch.long, device=self._layers[0].weight.device)
        for layer in self._layers:
            self._furnish(layer, count + 1)

    @staticmethod
    def bytes_each(denoiser: nn.Module, rank: int) -> int:
        """What one place takes in all layers together."""
        layers = [layer for path, layer in denoiser.named_modules() if _takes_places(path, layer)]
        return sum(rank * sum(layer.weight.shape[:2]) * layer.weight.element_size() for layer in layers)

    def _furnish(self, layer: Any, places: int) -> None:
        out, inside = layer.weight.shape[:2]
        layer.register_buffer("place_down", layer.weight.new_zeros(places, self.rank, inside), persistent=False)
        layer.register_buffer("place_up", layer.weight.new_zeros(places, out, self.rank), persistent=False)
        layer.register_buffer("place_rows", self._rows, persistent=False)
        layer.__class__ = _PlacedLinear if isinstance(layer, nn.Linear) else _PlacedPoint

    def hold(self, plan: Plan) -> bool:
        """Whether a plan can stand in a place."""
        return not plan.swaps and all(key in self.ids and side.rank <= self.rank for key, side in plan.sides.items())

    def use(self, stacks: Sequence[tuple[Signature, Plan]]) -> None:
        """Give each request its stack."""
        wanted = {stack for stack, _ in stacks}
        places = [self._place(stack, plan, wanted) for stack, plan in stacks]
        rows = torch.tensor(places, device=self._rows.device)
        if rows.shape == self._rows.shape:
            self._rows.copy_(rows)
            return
        self._rows = rows
        for layer in self._layers:
            layer.place_rows = rows

    def _place(self, stack: Signature, plan: Plan, wanted: set[Signature]) -> int:
        if plan.empty:
            return 0
        if stack not in self._used:
            number = self._free.pop() if self._free else self._used.pop(self._oldest(wanted))
            self._write(number, plan)
            self._used[stack] = number
        self._used.move_to_end(stack)
        return self._used[stack]

    def _oldest(self, wanted: set[Signature]) -> Signature:
        return next(stack for stack in self._used if stack not in wanted)

    def _write(self, number: int, plan: Plan) -> None:
        for layer in self._layers:
            down, up, side = layer.place_down[number], layer.place_up[number], plan.sides.get(id(layer))
            if side is None or side.rank < self.rank:
                down.zero_()
                up.zero_()
            if side is not None:
                write(side, down, up)

    def close(self) -> None:
        """The layers as they were."""
        for layer in self._layers:
            layer.__class__ = nn.Linear if isinstance(layer, nn.Linear) else nn.Conv2d
            for name in ("place_down", "place_up", "place_rows"):
                layer._buffers.pop(name, None)
            layer._non_persistent_buffers_set.difference_update({"place_down", "place_up", "place_rows"})


def _takes_places(path: str, layer: Any) -> bool:
    point = type(layer) is nn.Conv2d and layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.groups == 1
    # Exactly these classes: a layer that does more in its own forward would lose it.
    return any(part in f".{path}" for part in _BLOCKS) and (type(layer) in (nn.Linear, _PlacedLinear) or point)


class CompiledServer(BaseServer):
    """The denoiser compiled, adapters in places; see the module."""

    pattern = Pattern.COMPILED

    def __init__(self, pipe: Any, *, memory_budget: int, slots: int, rank: int = 32, backend: str = "inductor") -> None:
        self._denoiser = pipe.unet if getattr(pipe, "unet", None) is not None else pipe.transformer
        each = Places.bytes_each(self._denoiser, rank)
        self.count = max(1, min(slots, memory_budget // 2 // max(1, each)))
        super().__init__(pipe, memory_budget=max(0, memory_budget - self.count * each), slots=slots)
        self.places = Places(self._denoiser, rank=rank, count=self.count)
        self.compilations = 0
        """How many graphs were compiled; it stands still while only adapters change."""
        self._denoiser.compile(backend=self._counted(backend), dynamic=False)

    def _counted(self, backend: str) -> Callable[..., Any]:
        compiler = torch._dynamo.lookup_backend(backend)

        def compile_graph(graph: Any, inputs: Any) -> Any:
            self.compilations += 1
            return compiler(graph, inputs)

        return compile_graph

    def group(self, ready: Ready) -> object:
        return None if self.places.hold(self.plan(ready, text=False)) else ready.stack

    def _runs(self, ready: Sequence[Ready]) -> list[list[Ready]]:
        """As many stacks in a run as there are places."""
        runs: list[list[Ready]] = []
        for together in super()._runs(ready):
            run: list[Ready] = []
            for one in together:
                if len({other.stack for other in run} | {one.stack}) > self.count:
                    runs.append(run)
                    run = []
                run.append(one)
            runs.append(run)
        return runs

    @contextmanager
    def adapted(self, together: Sequence[Ready]) -> Iterator[None]:
        in_weights = self.group(together[0]) is not None
        plans = [(one.stack, Plan() if in_weights else self.plan(one, text=False)) for one in together]
        with ExitStack() as stack:
            for use in together[0].request.adapters if in_weights else ():
                adapter = read_adapter(use.path, token=use.token)
                stack.enter_context(applied(self.pipe, adapter, use.weight, use.text_weight))
            self.places.use(plans)
            yield

    def text_adapted(self, ready: Ready) -> AbstractContextManager[object]:
        return nullcontext() if self.group(ready) is not None else self._text(ready)

    def close(self) -> None:
        self._denoiser._compiled_call_impl = None
        self.places.close()
        super().close()
