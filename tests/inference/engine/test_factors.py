"""Every kind of adapter against the forward pass of lycoris-lora, on real layers of a tiny UNet and text encoder."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inference.engine import applied, read_adapter
from tests.inference.engine.conftest import Save
from tests.inference.engine.references import KINDS, Reference, norm

LAYERS = {
    "linear": "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
    "linear-with-bias": "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "conv3x3": "down_blocks.1.resnets.0.conv1",
    "conv1x1": "down_blocks.1.resnets.0.conv_shortcut",
    "conv-stride": "down_blocks.0.downsamplers.0.conv",
}


def example_input(layer: nn.Module, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(layer, nn.Linear):
        return torch.randn(2, 5, layer.in_features, generator=generator)
    if isinstance(layer, nn.Conv2d):
        return torch.randn(2, layer.in_channels, 6, 6, generator=generator)
    return torch.randn(2, layer.weight.shape[0], 6, 6, generator=generator)


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    """Largest difference against the largest number."""
    assert float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


def assert_applies_exactly(pipe: Any, layer: nn.Module, path: Any, reference: Reference, *strengths: float) -> None:
    x, adapter = example_input(layer), read_adapter(path)
    with torch.no_grad():
        plain = layer(x)
    for strength in strengths:
        wanted = reference.forward(x, strength)
        with applied(pipe, adapter, strength) as report, torch.no_grad():
            found = layer(x)
        assert len(report.applied) == 1
        assert report.skipped == []
        assert_close(found, wanted)
        assert not torch.allclose(found, plain, rtol=1e-3, atol=1e-4), "the reference itself changes nothing"


@pytest.mark.parametrize("where", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_kind_equals_lycoris_forward(sd: Any, save: Save, kind: str, where: str) -> None:
    layer = sd.unet.get_submodule(LAYERS[where])
    reference = KINDS[kind](layer, seed=5)
    path = save(
        {f"lycoris_{LAYERS[where].replace('.', '_')}.{name}": value for name, value in reference.tensors.items()}
    )
    assert_applies_exactly(sd, layer, path, reference, 1.0, 0.6, -0.5)


@pytest.mark.parametrize("where", ["down_blocks.1.resnets.0.norm1", "mid_block.attentions.0.norm"])
def test_norm_equals_lycoris_forward(sd: Any, save: Save, where: str) -> None:
    layer = sd.unet.get_submodule(where)
    reference = norm(layer, seed=6)
    path = save({f"lycoris_{where.replace('.', '_')}.{name}": value for name, value in reference.tensors.items()})
    assert_applies_exactly(sd, layer, path, reference, 1.0, 0.6)
