"""Each kind's forward pass against LyCORIS' and PEFT's own modules, and what strength, dropout and removal do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lycoris.modules.full import FullModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from torch import Tensor, nn

from training.engine.chance import generator
from training.engine.config import AdapterConfig
from training.engine.networks.layers import AdaptedLayer, Decomposed, Hadamard, Kronecker, LowRank, Rescaled, Whole

CONFIG = AdapterConfig(rank=3, alpha=1.5, lokr_factor=4)
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(12, 20),
    "linear without bias": lambda: nn.Linear(12, 20, bias=False),
    "convolution": lambda: nn.Conv2d(12, 20, 3, stride=2, padding=1),
    "1×1 convolution": lambda: nn.Conv2d(12, 20, 1),
}
KINDS: dict[str, tuple[Callable[[nn.Module], AdaptedLayer], Any, dict[str, Any]]] = {
    "lora": (lambda layer: LowRank(layer, CONFIG, 3, generator(0)), LoConModule, {}),
    "dora": (lambda layer: Decomposed(layer, CONFIG, 3, generator(0)), LoConModule, {"weight_decompose": True}),
    "loha": (lambda layer: Hadamard(layer, CONFIG, 3, generator(0)), LohaModule, {}),
    "lokr": (lambda layer: Kronecker(layer, CONFIG, 3, generator(0)), LokrModule, {"factor": 4}),
    "lokr low": (lambda layer: Kronecker(layer, CONFIG, 1, generator(0)), LokrModule, {"factor": 4, "lora_dim": 1}),
    "ia3": (lambda layer: Rescaled(layer, on_input=False), IA3Module, {}),
    "ia3 input": (lambda layer: Rescaled(layer, on_input=True), IA3Module, {"train_on_input": True}),
    "full": (Whole, FullModule, {}),
}


def _layer(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(3)
    layer = LAYERS[name]()
    inputs = torch.randn(2, 12, 8, 8) if isinstance(layer, nn.Conv2d) else torch.randn(2, 5, 12)
    return layer.requires_grad_(False), inputs


def _moved(adapted: AdaptedLayer) -> AdaptedLayer:
    """As if it had learned something."""
    with torch.no_grad():
        for number, parameter in enumerate(adapted.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator(1, number)))
    return adapted.eval()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_layer_computes_what_lycoris_does(kind: str, name: str) -> None:
    layer, inputs = _layer(name)
    make, reference, options = KINDS[kind]
    adapted = _moved(make(layer))
    adapted.install()
    found = layer(inputs)
    adapted.remove()
    module = reference("x", layer, **{"lora_dim": 3, "alpha": 1.5, **options})
    tensors = {slot: value.detach().clone() for slot, value in adapted.tensors().items()}
    if kind == "full":  # LyCORIS' own loading takes the weight off the layer first
        module.weight.data.copy_(tensors["diff"])
        if module.bias is not None:
            module.bias.data.copy_(tensors["diff_b"])
    else:
        module.load_state_dict(tensors, strict=False)
    module.eval()
    module.apply_to() if kind != "full" else setattr(layer, "forward", module.forward)
    if kind == "full":
        module.org_forward = type(layer).forward.__get__(layer)
    wanted = layer(inputs)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, adapted._base(inputs), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_layer_is_the_base_at_its_start_at_strength_zero_and_after_removal(kind: str) -> None:
    layer, inputs = _layer("linear")
    plain = layer(inputs)
    adapted = KINDS[kind][0](layer).eval()
    adapted.install()
    assert torch.allclose(layer(inputs), plain, atol=1e-6)
    _moved(adapted)
    adapted.strength = 0.0
    assert torch.equal(layer(inputs), plain)
    adapted.strength = 1.0
    assert not torch.allclose(layer(inputs), plain, atol=1e-3)
    adapted.remove()
    assert torch.equal(layer(inputs), plain)
    assert "forward" not in vars(layer)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_adapter_and_not_the_base(kind: str) -> None:
    layer, inputs = _layer("convolution")
    adapted = _moved(KINDS[kind][0](layer)).train()
    adapted.install()
    layer(inputs).square().sum().backward()
    assert all(value.grad is not None and bool(value.grad.any()) for value in adapted.parameters())
    assert all(value.grad is None for value in layer.parameters())


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr"])
def test_dropout_acts_in_training_alone(kind: str) -> None:
    layer, inputs = _layer("linear")
    adapted = _moved(KINDS[kind][0](layer))
    adapted.dropout = 0.5
    adapted.train()
    torch.manual_seed(0)
    first, second = adapted.adapted(inputs), adapted.adapted(inputs)
    assert not torch.equal(first, second)
    adapted.eval()
    assert torch.equal(adapted.adapted(inputs), adapted.adapted(inputs))


def test_start_depends_on_the_place_alone() -> None:
    torch.manual_seed(1)
    one = LowRank(nn.Linear(4, 4), CONFIG, 2, generator(7, "start", "a"))
    torch.manual_seed(2)
    same, other = (LowRank(nn.Linear(4, 4), CONFIG, 2, generator(7, "start", name)) for name in "ab")
    assert torch.equal(one.down, same.down)
    assert not torch.equal(one.down, other.down)
