"""A written file is read again, and each layer compared: does the file do what the trained network does?

The reading is written apart from the writing and from the training: from the file's tensors to ΔW by each kind's
formula, and then the same inputs through both.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite, isnan
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.engine.chance import generator
from training.engine.errors import TrainingError
from training.engine.layouts import Laid, Part
from training.engine.networks import Network
from training.engine.networks.layers import AdaptedLayer, Decomposed, Rescaled, Whole, _Additive

TOLERANCE = 2e-3  # of the effect: what float16 may cost (its numbers are 2⁻¹¹ apart), with some room for sums
INPUTS = 4  # random inputs for each layer
SIDE = 5  # pixels of a convolution's inputs


def worst_difference(path: Path, laid: Laid, network: Network, scales: Mapping[str, float]) -> float:
    """The largest difference of any layer's effect, as a share of that layer's largest effect.

    Where the trained layer does nothing, the file has to do nothing: whatever else it does counts as 1.
    `scales` are those of a layout whose files do not hold them (diffusers'). Raises TrainingError where an entry is
    missing, and where no layer does anything at all.
    """
    tensors = load_file(path)
    if network.vectors:
        return _embedding_difference(tensors, network)
    found = []
    for entry, parts in laid.entries.items():
        slots = {key[len(entry) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{entry}.")}
        try:
            found += [_difference(network.layers[part.layer], slots, part, scales.get(entry, 1.0)) for part in parts]
        except KeyError as error:
            raise _incomplete(entry, error) from error
    if not any(effect for _, effect in found):
        raise _does_nothing()
    return max(_share(difference, effect) for difference, effect in found)


def _share(difference: float, effect: float) -> float:
    """Infinite where either is: a number that is none is no small difference."""
    if not isfinite(difference) or not isfinite(effect):
        return inf
    return difference / effect if effect else float(difference > 0)


@torch.no_grad()
def _difference(layer: AdaptedLayer, slots: Mapping[str, Tensor], part: Part, scale: float) -> tuple[float, float]:
    """(largest difference, largest effect) of a layer's outputs on random inputs."""
    inputs = _inputs(layer, part.layer)
    device = inputs.device
    slots = {slot: tensor.to(device).float() for slot, tensor in slots.items()}
    if isinstance(layer, _Additive) and not isinstance(layer, Decomposed):
        trained = layer.added(inputs) * layer.scale
        filed = layer.operate(inputs, _change(slots, layer, part, scale))
        return _largest(trained - filed), _largest(trained)
    base = layer.layer.weight.float()
    bias = None if layer.layer.bias is None else layer.layer.bias.float()
    weight, moved = _changed(slots, base, bias, layer, part, scale)
    trained = layer.adapted(inputs.to(layer.layer.weight.dtype)).double()
    inputs = inputs.to(layer.layer.weight.dtype).float()
    plain = layer.operate(inputs, base, bias).double()
    filed = layer.operate(inputs, weight, moved).double()
    rounding = 16 * torch.finfo(layer.layer.weight.dtype).eps * _largest(plain)
    return max(0.0, _largest(trained - filed) - rounding), _largest(trained - plain)


def _largest(tensor: Tensor) -> float:
    """Infinite where a number is none, which would compare as not larger than anything."""
    largest = float(tensor.abs().max())
    return inf if isnan(largest) else largest


def _inputs(layer: AdaptedLayer, name: str) -> Tensor:
    kernel = (SIDE, SIDE) if len(layer.shape) > 2 else ()
    width = layer.shape[1]
    inputs = torch.randn(INPUTS, width, *kernel, generator=generator(0, "verify", name))
    weight: Tensor = layer.layer.weight
    return inputs.to(weight.device)


def _change(slots: Mapping[str, Tensor], layer: AdaptedLayer, part: Part, scale: float) -> Tensor:
    """ΔW of one layer, from the file alone."""
    rows, shape = slice(part.start, part.stop), layer.shape
    if "lora_up.weight" in slots or "lora_B.weight" in slots:
        up = _first(slots, "lora_up.weight", "lora_B.weight").flatten(1)[rows]
        down = _first(slots, "lora_down.weight", "lora_A.weight").flatten(1)
        factor = float(slots["alpha"]) / down.shape[0] if "alpha" in slots else scale
        return (up @ down * factor).reshape(shape)
    if "hada_w1_a" in slots:
        first, second = (slots[f"hada_w{one}_a"] @ slots[f"hada_w{one}_b"] for one in (1, 2))
        return (first * second * (float(slots["alpha"]) / slots["hada_w1_b"].shape[0])).reshape(shape)
    if "lokr_w2" in slots:
        return _kronecker(slots["lokr_w1"], slots["lokr_w2"], shape)
    rank = slots["lokr_w2_b"].shape[0]
    return _kronecker(slots["lokr_w1"], slots["lokr_w2_a"] @ slots["lokr_w2_b"], shape) * (float(slots["alpha"]) / rank)


def _first(slots: Mapping[str, Tensor], *names: str) -> Tensor:
    """The tensor under the first of the names that is there."""
    for name in names:
        if name in slots:
            return slots[name]
    raise KeyError(names[0])


def _kronecker(first: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Element (o, i) of each block is one number of `first` times the block `second`, whose kernel comes last."""
    kernel = shape[2:]
    blocks = second.reshape(shape[0] // first.shape[0], shape[1] // first.shape[1], *kernel)
    return torch.einsum("ab,cd...->acbd...", first, blocks).reshape(shape)


def _changed(
    slots: Mapping[str, Tensor], weight: Tensor, bias: Tensor | None, layer: AdaptedLayer, part: Part, scale: float
) -> tuple[Tensor, Tensor | None]:
    """The layer's weight and bias as the file makes them."""
    sides = [1] * (weight.dim() - 1)
    if isinstance(layer, Whole):
        return weight + slots["diff"], None if bias is None else bias + slots["diff_b"]
    if isinstance(layer, Rescaled):
        vector = 1 + slots["weight"].flatten()
        on_input = bool(slots["on_input"])
        return weight * vector.reshape([1, -1, *sides[1:]] if on_input else [-1, *sides]), bias
    lengths = _first(slots, "dora_scale", "lora_magnitude_vector").flatten()[part.start : part.stop]
    turned = weight + _change(slots, layer, part, scale)
    return turned * (lengths / turned.flatten(1).norm(dim=1)).reshape(-1, *sides), bias


def _embedding_difference(tensors: Mapping[str, Tensor], network: Network) -> float:
    names = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
    worst = 0.0
    for name, one in network.vectors.items():
        filed = tensors.get(one.words[0], tensors.get(names[name]))
        if filed is None:
            raise _does_nothing()
        trained = one.vectors.detach().cpu()
        worst = max(worst, _share(_largest(trained - filed.float()), _largest(trained)))
    return worst


def diffusers_scales(laid: Laid, network: Network) -> dict[str, float]:
    """alpha / rank of each entry, which diffusers' files keep in their metadata."""
    layers = {entry: network.layers[parts[0].layer] for entry, parts in laid.entries.items()}
    return {entry: layer.scale for entry, layer in layers.items() if isinstance(layer, _Additive)}


def _incomplete(entry: str, error: KeyError) -> TrainingError:
    return TrainingError(
        "The written file is not complete.",
        f"Its entry {entry} lacks {error.args[0]}.",
        "This is a fault of the trainer; please report it. The checkpoint is kept.",
        "file-differs",
    )


def _does_nothing() -> TrainingError:
    return TrainingError(
        "The trained adapter does nothing.",
        "None of its layers changes any output: it would load without an error and show no effect.",
        "Train for more steps, with a learning rate above 0, and check that warm-up is shorter than the run.",
        "no-effect",
    )
