"""Adapter files for the algebra's tests: random LoRA entries under the names of a layout, and what they amount to."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from inference.engine.files import AdapterFile
from inference.engine.names import LAYOUTS, Speller, Target
from inference.engine.reading import interpret
from inference.engine.weights import LoadedWeights
from tests.inference.engine import pipelines
from tests.inference.engine.changes import random

SD_LAYERS = (
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "down_blocks.1.resnets.0.conv1",
    "down_blocks.1.resnets.0.conv_shortcut",
)


@cache
def base(family: str = "sd") -> LoadedWeights:
    """One pipeline of a family for all tests; nothing here changes it."""
    return LoadedWeights(pipe(family))


@cache
def pipe(family: str) -> Any:
    return getattr(pipelines, f"tiny_{family}")()


def lora_slots(shape: torch.Size, rank: int, seed: int, alpha: float | None = None) -> dict[str, Tensor]:
    out, *inner = shape
    slots = {
        "down": random(rank, *inner, seed=seed),
        "up": random(out, rank, *[1] * (len(inner) - 1), seed=seed + 500),
    }
    return slots if alpha is None else {**slots, "alpha": torch.tensor(alpha)}


def spelled(entries: Mapping[Target, Mapping[str, Tensor]], family: str, layout: str) -> dict[str, Tensor]:
    speller = Speller(base(family).index, LAYOUTS[layout], frozenset(target.component for target in entries))
    return {
        f"{speller.name(target)}.{LAYOUTS[layout].suffix(slot)}": tensor
        for target, slots in entries.items()
        for slot, tensor in slots.items()
    }


def unet_file(
    ranks: Mapping[str, int], seed: int, alpha: float | None = 2.0, metadata: Mapping[str, str] | None = None
) -> AdapterFile:
    """A kohya LoRA for SD with these ranks on layers of the UNet."""
    index = base("sd").index
    entries = {
        Target("unet", (path,)): lora_slots(index.shape(Target("unet", (path,))), rank, seed + place, alpha)
        for place, (path, rank) in enumerate(ranks.items())
    }
    return AdapterFile(spelled(entries, "sd", "kohya"), dict(metadata or {}), f"adapter-{seed}", f"{seed:064x}")


def effect(file: AdapterFile, family: str = "sd", weight: float = 1.0) -> dict[str, Tensor]:
    """parameter → its change, by applying."""
    from inference.engine import applied

    whole = pipe(family)
    components = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")

    def state() -> dict[str, Tensor]:
        return {
            f"{name}.{path}": value.detach().double().clone()
            for name in components
            if (part := getattr(whole, name, None)) is not None
            for path, value in part.named_parameters()
        }

    before = state()
    with applied(whole, interpret(file), weight) as report:
        after = state()
    assert report.applied
    changed = {key: after[key] - before[key] for key in before}
    return {key: value for key, value in changed.items() if bool(value.any())}


def assert_same_effect(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], tolerance: float = 1e-5) -> None:
    """Largest difference against the largest number of each layer; float32 weights round the change itself."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        largest = float(value.abs().max())
        assert float((found[key] - value).abs().max()) <= tolerance * largest + 3e-7, key
