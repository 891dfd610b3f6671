"""The numbers to be met: lycoris-lora's forward pass of every kind, beside the tensors its file would hold.

Forward passes only: LyCORIS' `merge_to` applies alpha/rank twice for LoHa and low-rank LoKr.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from torch import Tensor, nn


@dataclass(frozen=True)
class Reference:
    """One layer's adapter: the tensors as saved, and the layer's output with it at a strength."""

    tensors: Mapping[str, Tensor]
    forward: Callable[[Tensor, float], Tensor]


def _random(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name == "dora_scale":
                parameter.mul_(1 + 0.2 * torch.rand(parameter.shape, generator=generator))
            elif name == "rescale":
                parameter.add_(0.2 * torch.rand(parameter.shape, generator=generator))
            else:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def _forward(module: Any) -> Callable[[Tensor, float], Tensor]:
    def run(x: Tensor, strength: float) -> Tensor:
        module.multiplier = strength
        with torch.no_grad():
            return module(x)

    return run


def _reference(module: Any, seed: int, tensors: Callable[[Any], Mapping[str, Tensor]] | None = None) -> Reference:
    _random(module, seed)
    saved = module.custom_state_dict() if tensors is None else tensors(module)
    saved = {**module.state_dict()} if saved is None else saved
    return Reference({name: value.detach().clone().contiguous() for name, value in saved.items()}, _forward(module))


def _lycoris(kind: Any, **options: Any) -> Callable[[nn.Module, int], Reference]:
    def build(layer: nn.Module, seed: int) -> Reference:
        return _reference(kind("reference", layer, **options), seed)

    return build


def _saved_parameters(module: Any) -> Mapping[str, Tensor]:
    return module.state_dict()


def full(layer: nn.Module, seed: int) -> Reference:
    def diffs(module: Any) -> Mapping[str, Tensor]:
        biases = {} if module.bias is None else {"diff_b": module.bias}
        return {"diff": module.weight, **biases}

    return _reference(FullModule("reference", layer), seed, diffs)


def norm(layer: nn.Module, seed: int) -> Reference:
    return _reference(NormModule("reference", layer), seed, _saved_parameters)


def butterfly(layer: nn.Module, seed: int) -> Reference:
    module = ButterflyOFTModule("reference", layer, lora_dim=4, constraint=0.001, rescaled=True)
    return _reference(module, seed, _saved_parameters)


def diagonal(layer: nn.Module, seed: int) -> Reference:
    module = DiagOFTModule("reference", layer, lora_dim=4, constraint=0.002, rescaled=True)
    return _reference(module, seed, _saved_parameters)


LOW = {"lora_dim": 4, "alpha": 2.0}
# Kinds for linear layers and convolutions alike.
KINDS: Mapping[str, Callable[[nn.Module, int], Reference]] = {
    "lora": _lycoris(LoConModule, **LOW),
    "lora-alpha-zero": _lycoris(LoConModule, lora_dim=4, alpha=0),
    "lora-rank-stabilised": _lycoris(LoConModule, **LOW, rs_lora=True),
    "lora-tucker": _lycoris(LoConModule, **LOW, use_tucker=True),
    "dora": _lycoris(LoConModule, **LOW, weight_decompose=True),
    "dora-on-input": _lycoris(LoConModule, **LOW, weight_decompose=True, wd_on_out=False),
    "loha": _lycoris(LohaModule, **LOW),
    "loha-tucker": _lycoris(LohaModule, **LOW, use_tucker=True),
    "loha-dora": _lycoris(LohaModule, **LOW, weight_decompose=True),
    "lokr": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4),
    "lokr-both-low-rank": _lycoris(LokrModule, lora_dim=1, alpha=0.5, factor=4, decompose_both=True),
    "lokr-whole": _lycoris(LokrModule, lora_dim=2, alpha=0.5, factor=4, full_matrix=True),
    "lokr-tucker": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4, use_tucker=True),
    "lokr-dora": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4, weight_decompose=True),
    "glora": _lycoris(GLoRAModule, **LOW),
    "ia3": _lycoris(IA3Module),
    "ia3-on-input": _lycoris(IA3Module, train_on_input=True),
    "full": full,
    "oft": _lycoris(DiagOFTModule, lora_dim=4),
    "oft-constrained-rescaled": diagonal,
    "boft": _lycoris(ButterflyOFTModule, lora_dim=4),
    "boft-constrained-rescaled": butterfly,
}
