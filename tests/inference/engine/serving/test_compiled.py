"""The compiled pattern: the same pictures, and nothing compiled anew by a switch (counted)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine.serving import Request, Result
from inference.engine.serving.compiled import CompiledServer
from tests.inference.engine.changes import random
from tests.inference.engine.serving.pieces import ATTN, SMALL, alone, lora, on_unet, pixels, written

BUDGET = 100_000_000
POINT = "down_blocks.1.attentions.0.proj_in"


@pytest.fixture
def server(sd: Any) -> Iterator[CompiledServer]:
    """With the tracer of torch.compile and no code generator: what it traces is run as it is."""
    torch._dynamo.reset()
    served = CompiledServer(sd, memory_budget=BUDGET, slots=2, rank=6, backend="eager")
    yield served
    served.close()
    torch._dynamo.reset()


def _on_places(pipe: Any, seed: int) -> dict[str, torch.Tensor]:
    paths = (f"{ATTN}.attn1.to_q", f"{ATTN}.attn2.to_k", f"{ATTN}.ff.net.2", POINT)
    return {
        key: value
        for number, path in enumerate(paths)
        for key, value in lora(pipe.unet.get_submodule(path), f"unet.{path}", seed + number).items()
    }


def _request(number: int, *uses: Any) -> Request:
    return Request(id=f"r{number}", prompt="a red circle", seed=number, adapters=uses, **SMALL)


def _made(server: CompiledServer, requests: list[Request]) -> list[Any]:
    answers = server.generate(requests)
    assert all(isinstance(answer, Result) for answer in answers), answers
    return [pixels(answer.image) for answer in answers if isinstance(answer, Result)]


@pytest.mark.slow
def test_a_switch_compiles_nothing_and_pictures_equal_applied(server: CompiledServer, sd: Any, tmp_path: Path) -> None:
    uses = [written(tmp_path, _on_places(sd, 10 * number), f"a{number}") for number in range(4)]
    stacks = [
        (),
        (uses[0],),
        (uses[1],),
        (replace(uses[0], weight=0.3), uses[2]),
        (replace(uses[3], weight=-0.5),),
        (uses[1],),
    ]
    requests = [_request(number, *stack) for number, stack in enumerate(stacks)]
    first = _made(server, requests[:1])
    compiled = server.compilations
    assert compiled > 0
    found = first + [picture for request in requests[1:] for picture in _made(server, [request])]
    assert server.compilations == compiled
    server.close()
    wanted = [alone(sd, request) for request in requests]
    for picture, other in zip(found, wanted, strict=True):
        assert np.abs(picture - other).max() <= 1
    assert all(np.abs(picture - wanted[0]).max() > 2 for picture in wanted[1:])


@pytest.mark.slow
def test_rows_with_their_own_places_and_more_stacks_than_places(
    server: CompiledServer, sd: Any, tmp_path: Path
) -> None:
    uses = [written(tmp_path, _on_places(sd, 10 * number), f"a{number}") for number in range(4)]
    requests = [
        _request(number, *stack) for number, stack in enumerate([(uses[0],), (uses[1],), (uses[2],), (uses[3],)])
    ]
    found = _made(server, requests)
    compiled = server.compilations
    again = _made(server, list(reversed(requests)))
    assert server.compilations == compiled
    server.close()
    for request, picture, other in zip(requests, found, reversed(again), strict=True):
        wanted = alone(sd, request)
        assert np.abs(picture - wanted).max() <= 1
        assert np.abs(other - wanted).max() <= 1


@pytest.mark.slow
def test_what_cannot_stand_in_places_goes_into_the_weights(server: CompiledServer, sd: Any, tmp_path: Path) -> None:
    """A convolution outside the blocks, a rotation, and a rank above that of the places."""
    layer = sd.unet.get_submodule(f"{ATTN}.attn2.to_k")
    rotation = {f"unet.{ATTN}.attn2.to_k.oft_blocks": 5 * random(layer.out_features // 4, 4, 4, seed=3)}
    name = f"unet.{ATTN}.attn2.to_k"
    wide = {f"{name}.lora_A.weight": 4 * random(7, 24), f"{name}.lora_B.weight": 4 * random(32, 7, seed=2)}
    uses = [
        written(tmp_path, tensors, kind)
        for kind, tensors in {"conv": on_unet(sd, 1, text=True), "oft": rotation, "wide": wide}.items()
    ]
    requests = [_request(number, use) for number, use in enumerate(uses)] + [_request(9)]
    found = _made(server, requests)
    compiled = server.compilations
    _made(server, requests[:3])
    assert server.compilations == compiled
    server.close()
    for request, picture in zip(requests, found, strict=True):
        assert np.abs(picture - alone(sd, request)).max() <= 1


def test_closing_leaves_the_layers_as_they_were(sd: Any) -> None:
    kinds = [type(module) for module in sd.unet.modules()]
    buffers = [name for name, _ in sd.unet.named_buffers()]
    served = CompiledServer(sd, memory_budget=BUDGET, slots=2, rank=6, backend="eager")
    assert [type(module) for module in sd.unet.modules()] != kinds
    served.close()
    assert [type(module) for module in sd.unet.modules()] == kinds
    assert [name for name, _ in sd.unet.named_buffers()] == buffers
    assert sd.unet._compiled_call_impl is None


def test_places_keep_to_the_budget(sd: Any) -> None:
    served = CompiledServer(sd, memory_budget=200_000, slots=50, rank=6, backend="eager")
    try:
        taken = sum(
            value.nbytes for name, value in sd.unet.named_buffers() if "place_down" in name or "place_up" in name
        )
        assert 1 <= served.count < 50
        assert served.count * taken / (served.count + 1) + served.memory().budget <= 200_000
    finally:
        served.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own imports, behind its code generator
def test_generated_code_gives_the_same_pictures(sd: Any, tmp_path: Path) -> None:
    """With the code generator itself (inductor, C++ on a CPU): equal within 1 of 255, no compilation by a switch."""
    torch._dynamo.reset()
    served = CompiledServer(sd, memory_budget=BUDGET, slots=2, rank=6)
    try:
        uses = [written(tmp_path, _on_places(sd, 10 * number), f"a{number}") for number in range(3)]
        requests = [_request(number, use) for number, use in enumerate(uses)]
        found = _made(served, requests[:1])
        compiled = served.compilations
        found += [picture for request in requests[1:] for picture in _made(served, [request])]
        assert served.compilations == compiled > 0
    finally:
        served.close()
        torch._dynamo.reset()
    for request, picture in zip(requests, found, strict=True):
        assert np.abs(picture - alone(sd, request)).max() <= 1
