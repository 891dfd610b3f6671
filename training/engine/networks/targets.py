"""Which layers an adapter changes: by the recipe's targets, in each kind of denoiser and text encoder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from training.engine.config import Targets

# Paths in diffusers' UNet2DConditionModel. Convolutions are those of kohya's LoCon: all of a resnet (with its time
# projection), down- and upsamplers; the first and last convolution of the UNet stay.
_UNET = (
    (Targets.ATTENTION, r".*\.attn[12]\.to_(q|k|v|out\.0)"),
    (Targets.FEED_FORWARD, r".*\.(ff\.net\.(0\.proj|2)|attentions\.\d+\.proj_(in|out))"),
    (Targets.CONVOLUTIONS, r".*\.(conv[12]|conv_shortcut|time_emb_proj|(down|up)samplers\.0\.conv)"),
)
# FLUX.1's single blocks end in one layer for attention and feed-forward together, which counts as feed-forward.
_FLUX = (
    (Targets.ATTENTION, r".*\.attn\.(to_(q|k|v|out\.0|add_out)|add_(q|k|v)_proj)"),
    (Targets.FEED_FORWARD, r".*\.(ff|ff_context)\.net\.(0\.proj|2)|single_.*\.(proj_mlp|proj_out)"),
)
_CLIP = r".*\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])"
_SECOND = re.compile(r".*\.(ff|ff_context)\.net\.2|.*\.mlp\.fc2")


@dataclass(frozen=True)
class Place:
    """One layer to adapt: where it is, and the layer itself."""

    component: str
    path: str
    layer: nn.Module

    @property
    def name(self) -> str:
        return f"{self.component}.{self.path}"

    @property
    def is_second(self) -> bool:
        """The second layer of a feed-forward, whose inputs IA³ scales."""
        return _SECOND.fullmatch(self.path) is not None

    @property
    def has_kernel(self) -> bool:
        """A convolution over more than one pixel, which has a rank of its own."""
        return isinstance(self.layer, nn.Conv2d) and self.layer.kernel_size != (1, 1)


def denoiser_places(component: str, denoiser: Any, targets: Targets) -> list[Place]:
    """The layers of a UNet or of FLUX.1's transformer; each target includes the ones before it."""
    table = _UNET if component == "unet" else _FLUX
    order = list(Targets)
    wanted = "|".join(f"({pattern})" for target, pattern in table if order.index(target) <= order.index(targets))
    return list(_places(component, denoiser, wanted))


def text_places(component: str, encoder: Any) -> list[Place]:
    """The layers of a CLIP text encoder."""
    return list(_places(component, encoder, _CLIP))


def _places(component: str, module: nn.Module, wanted: str) -> Iterator[Place]:
    pattern = re.compile(wanted)
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and pattern.fullmatch(path):
            yield Place(component, path, layer)
