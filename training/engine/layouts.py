"""A trained network in the layouts of adapter files: kohya's, LyCORIS' generic one, diffusers', and embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.engine.config import Kind, TrainConfig
from training.engine.families import Family
from training.engine.names import diffusers_name, fused_names, kohya_name, lycoris_name
from training.engine.networks import Network
from training.engine.networks.layers import AdaptedLayer, Decomposed, LowRank

RANKED = frozenset({Kind.LORA, Kind.LOCON, Kind.DORA})


@dataclass(frozen=True)
class Part:
    """Which rows of an entry of a file belong to which layer of the network."""

    layer: str
    start: int
    stop: int


@dataclass(frozen=True)
class Laid:
    """A network as the tensors of one file, float32."""

    layout: str
    tensors: Mapping[str, Tensor]
    entries: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    """Entry of the file → the layers it changes."""


def all_layouts(network: Network, family: Family, config: TrainConfig) -> Iterator[Laid]:
    """Every layout that the kind has, the most widely read first."""
    if network.vectors:
        yield _embedding(network, family)
        return
    if family.slug == "flux1" and config.adapter.kind not in RANKED:
        yield _plain("lycoris", network, lambda component, path: lycoris_name(component, path, family.slug))
    elif family.slug == "flux1":
        yield _fused(network, family)
    else:
        unet = family.denoiser
        yield _plain("kohya", network, lambda component, path: kohya_name(family.slug, component, path, unet))
    if config.adapter.kind in RANKED:
        yield _diffusers(network)


def _split(name: str) -> tuple[str, str]:
    component, _, path = name.partition(".")
    return component, path


def _whole(name: str, layer: AdaptedLayer) -> tuple[Part, ...]:
    return (Part(name, 0, layer.shape[0]),)


def _plain(layout: str, network: Network, naming: Any) -> Laid:
    """One entry for each layer."""
    tensors: dict[str, Tensor] = {}
    entries: dict[str, tuple[Part, ...]] = {}
    for name, layer in network.layers.items():
        entry = naming(*_split(name))
        tensors |= {f"{entry}.{slot}": tensor for slot, tensor in layer.tensors().items()}
        entries[entry] = _whole(name, layer)
    return Laid(layout, tensors, entries)


def _diffusers(network: Network) -> Laid:
    """LoRA as PEFT names it. The scale stands in the metadata; a DoRA's length is a vector."""
    tensors: dict[str, Tensor] = {}
    entries: dict[str, tuple[Part, ...]] = {}
    for name, layer in network.layers.items():
        entry, slots = diffusers_name(*_split(name)), layer.tensors()
        tensors[f"{entry}.lora_A.weight"] = slots["lora_down.weight"]
        tensors[f"{entry}.lora_B.weight"] = slots["lora_up.weight"]
        if "dora_scale" in slots:
            lengths = slots["dora_scale"]
            # PEFT keeps (out,) for linear layers and (1, out, 1, 1) for convolutions.
            tensors[f"{entry}.lora_magnitude_vector"] = (
                lengths.flatten() if lengths.dim() == 2 else lengths.transpose(0, 1)
            )
        entries[entry] = _whole(name, layer)
    return Laid("diffusers", tensors, entries)


def _fused(network: Network, family: Family) -> Laid:
    """FLUX.1 under kohya's names: factors of several layers become one of their ranks' sum, which is exact."""
    own = {path: layer for name, layer in network.layers.items() for c, path in [_split(name)] if c == "transformer"}
    tensors: dict[str, Tensor] = {}
    entries: dict[str, tuple[Part, ...]] = {}
    for entry, paths in fused_names(frozenset(own)).items():
        rows = [family.denoiser.get_submodule(path).out_features for path in paths]
        slots = _one_of_many([own.get(path) for path in paths], rows, family, paths)
        tensors |= {f"{entry}.{slot}": tensor for slot, tensor in slots.items()}
        entries[entry] = tuple(_parts(paths, rows, own))
    texts = Network({name: one for name, one in network.layers.items() if not name.startswith("transformer.")}, {})
    rest = _plain("kohya", texts, lambda component, path: kohya_name(family.slug, component, path, None))
    return Laid("kohya", {**tensors, **rest.tensors}, {**entries, **rest.entries})


def _parts(paths: tuple[str, ...], rows: list[int], own: Mapping[str, AdaptedLayer]) -> Iterator[Part]:
    start = 0
    for path, count in zip(paths, rows, strict=True):
        if path in own:
            yield Part(f"transformer.{path}", start, start + count)
        start += count


def _one_of_many(
    layers: list[AdaptedLayer | None], rows: list[int], family: Family, paths: tuple[str, ...]
) -> dict[str, Tensor]:
    """Block-diagonal ups over stacked downs; layers that are not adapted get rows of zeros."""
    ranked = [layer for layer in layers if isinstance(layer, LowRank)]
    first, total = ranked[0], sum(layer.rank for layer in ranked)
    if len(layers) == 1:
        return first.tensors()
    up = torch.zeros(sum(rows), total)
    row = column = 0
    for layer, count in zip(layers, rows, strict=True):
        if isinstance(layer, LowRank):
            up[row : row + count, column : column + layer.rank] = layer.up.detach().cpu()
            column += layer.rank
        row += count
    found = {
        "lora_down.weight": torch.cat([layer.down for layer in ranked]),
        "lora_up.weight": up,
        "alpha": torch.tensor(first.scale * total),
    }
    if isinstance(first, Decomposed):
        found["dora_scale"] = torch.cat([_lengths(one, family, path) for one, path in zip(layers, paths, strict=True)])
    return found


def _lengths(layer: AdaptedLayer | None, family: Family, path: str) -> Tensor:
    """The rows' lengths, for a layer that is not adapted the base's own."""
    if isinstance(layer, Decomposed):
        return layer.magnitude.detach().cpu()
    weight: Tensor = family.denoiser.get_submodule(path).weight
    lengths: Tensor = torch.linalg.vector_norm(weight.detach().float(), dim=1, keepdim=True)
    return lengths.cpu()


def _embedding(network: Network, family: Family) -> Laid:
    """diffusers' form with one text encoder: the word is the tensor's name; else one tensor for each encoder."""
    if len(network.vectors) == 1:
        ((_, only),) = network.vectors.items()
        return Laid("embedding", {only.words[0]: only.vectors})
    names = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
    return Laid("embedding", {names[name]: one.vectors for name, one in network.vectors.items()})
