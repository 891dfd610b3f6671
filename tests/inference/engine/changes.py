"""What an adapter did to a pipeline's weights, for the engine's tests."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.engine import applied, read_adapter

COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")


def weights(pipe: Any) -> dict[str, Tensor]:
    """A copy of every parameter, under component and path."""
    return {
        f"{name}.{path}": parameter.detach().clone()
        for name in COMPONENTS
        if (component := getattr(pipe, name, None)) is not None
        for path, parameter in component.named_parameters()
    }


def changes(pipe: Any, path: Path, strength: float = 1.0) -> dict[str, Tensor]:
    """The differences of every parameter that changes; what is skipped is an error here."""
    before = weights(pipe)
    with applied(pipe, read_adapter(path), strength) as report:
        after = weights(pipe)
    assert report.skipped == []
    found = {key: after[key] - before[key] for key in before}
    return {key: difference for key, difference in found.items() if bool(difference.any())}


def random(*shape: int, seed: int = 0) -> Tensor:
    """The same numbers for the same seed."""
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
