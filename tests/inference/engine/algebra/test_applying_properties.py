"""Applying: everything comes back bit for bit, and the order of additive adapters does not matter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inference.engine import applied
from inference.engine.files import AdapterFile
from inference.engine.reading import interpret
from tests.inference.engine.conftest import bits
from tests.inference.engine.made import SD_LAYERS, base, pipe, unet_file
from tests.inference.engine.references import KINDS

FILES = st.dictionaries(st.sampled_from(SD_LAYERS), st.integers(1, 6), min_size=1)
STRENGTHS = st.floats(-2, 2)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(SD_LAYERS), STRENGTHS, FILES, STRENGTHS)
def test_taking_off_gives_every_bit_back(kind: str, path: str, one: float, ranks: dict[str, int], other: float) -> None:
    reference = KINDS[kind](base().index.module("unet").get_submodule(path), seed=5)
    name = f"lora_unet_{path.replace('.', '_')}"
    file = AdapterFile({f"{name}.{slot}": value for slot, value in reference.tensors.items()}, {})
    before = bits(pipe("sd"))
    with applied(pipe("sd"), interpret(file), one), applied(pipe("sd"), interpret(unet_file(ranks, 3)), other):
        pass
    assert bits(pipe("sd")) == before


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(FILES, STRENGTHS), min_size=2, max_size=3))
def test_order_of_additive_adapters_does_not_matter(stack: list[tuple[dict[str, int], float]]) -> None:
    """Within 1e-6 of the largest weight: float32 sums in another order differ in their last bits."""
    adapters = [(interpret(unet_file(ranks, seed)), weight) for seed, (ranks, weight) in enumerate(stack)]
    forwards, backwards = _weights(adapters), _weights(adapters[::-1])
    for key, value in forwards.items():
        assert float((value - backwards[key]).abs().max()) <= 1e-6 * max(float(value.abs().max()), 1e-3), key


def _weights(adapters: list[tuple[object, float]]) -> dict[str, Tensor]:
    from contextlib import ExitStack

    with ExitStack() as stack, torch.no_grad():
        for adapter, weight in adapters:
            stack.enter_context(applied(pipe("sd"), adapter, weight))  # type: ignore[arg-type]
        unet = pipe("sd").unet
        return {path: unet.get_submodule(path).weight.detach().clone() for path in SD_LAYERS}


def test_order_counts_for_kinds_that_act_on_what_they_find() -> None:
    path = SD_LAYERS[1]
    reference = KINDS["oft"](base().index.module("unet").get_submodule(path), seed=5)
    name = f"lora_unet_{path.replace('.', '_')}"
    turned = interpret(AdapterFile({f"{name}.{slot}": value for slot, value in reference.tensors.items()}, {}))
    added = interpret(unet_file({path: 3}, 1))
    first, second = _weights([(turned, 1.0), (added, 1.0)]), _weights([(added, 1.0), (turned, 1.0)])
    assert not torch.allclose(first[path], second[path], rtol=1e-3, atol=1e-4)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(first[path], second[path])
