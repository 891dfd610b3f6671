"""An adapter in training: all its layers, installed in the pipeline, with strength and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn

from training.engine.chance import generator
from training.engine.config import AdapterConfig, Kind, Quantisation, TrainConfig
from training.engine.errors import TrainingError
from training.engine.families import Family
from training.engine.networks import targets
from training.engine.networks.layers import (
    AdaptedLayer,
    Decomposed,
    Hadamard,
    Kronecker,
    LowRank,
    Rescaled,
    Whole,
)
from training.engine.networks.tokens import TokenVectors, words_of

_RANKED: Mapping[Kind, type[LowRank] | type[Hadamard] | type[Kronecker]] = {
    Kind.LORA: LowRank,
    Kind.LOCON: LowRank,
    Kind.DORA: Decomposed,
    Kind.LOHA: Hadamard,
    Kind.LOKR: Kronecker,
}


class Network:
    """The layers of an adapter, by component and path ("unet.mid_block.…"); or the vectors of a new word."""

    def __init__(self, layers: dict[str, AdaptedLayer], vectors: dict[str, TokenVectors]) -> None:
        self.layers, self.vectors = layers, vectors

    def modules(self) -> dict[str, AdaptedLayer | TokenVectors]:
        return {**self.layers, **self.vectors}

    def parameters(self) -> dict[str, nn.Parameter]:
        """All that is trained, by name, always in the same order."""
        return {
            f"{name}.{slot}": parameter
            for name, module in self.modules().items()
            for slot, parameter in module.named_parameters()
        }

    def install(self, device: torch.device) -> None:
        """Put the adapter into the pipeline, in training mode."""
        for module in self.modules().values():
            module.to(device).train()
            module.install()

    def remove(self) -> None:
        for module in self.modules().values():
            module.remove()

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        """Without dropout, at another strength; 0 is the base, bit for bit."""
        for module in self.layers.values():
            module.strength = strength
            module.eval()
        try:
            yield
        finally:
            for module in self.layers.values():
                module.strength = 1.0
                module.train()

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take over the values of all parameters. Raises KeyError where one is missing."""
        for name, parameter in self.parameters().items():
            parameter.copy_(values[name])


def build_network(family: Family, config: TrainConfig) -> Network:
    """A fresh adapter, not installed yet; its start depends on the seed and the layer's name alone."""
    adapter = config.adapter
    _refuse(family, config)
    if adapter.kind == Kind.TEXTUAL_INVERSION:
        return Network({}, _token_vectors(family, config))
    places = targets.denoiser_places(_component(family), family.denoiser, adapter.targets)
    if adapter.text_encoders:
        for name in family.trainable_encoders:
            places += targets.text_places(name, getattr(family.pipe, name))
    layers = {place.name: _layer(place, adapter, generator(config.seed, "start", place.name)) for place in places}
    return Network(layers, {})


def _component(family: Family) -> str:
    return "transformer" if family.slug == "flux1" else "unet"


def _layer(place: targets.Place, adapter: AdapterConfig, chance: Generator) -> AdaptedLayer:
    if adapter.kind == Kind.IA3:
        return Rescaled(place.layer, on_input=place.is_second)
    if adapter.kind == Kind.FULL:
        return Whole(place.layer)
    rank = (adapter.conv_rank or adapter.rank) if place.has_kernel else adapter.rank
    return _RANKED[adapter.kind](place.layer, adapter, rank, chance)


def _token_vectors(family: Family, config: TrainConfig) -> dict[str, TokenVectors]:
    words = words_of(config.trigger, config.adapter.vectors)
    return {
        name: TokenVectors(
            getattr(family.pipe, name.replace("text_encoder", "tokenizer")),
            getattr(family.pipe, name),
            words,
            config.seed,
            name,
        )
        for name in family.trainable_encoders
    }


def _refuse(family: Family, config: TrainConfig) -> None:
    """What no file could hold or no layer could do."""
    adapter = config.adapter
    if adapter.kind == Kind.TEXTUAL_INVERSION and family.slug == "flux1":
        raise TrainingError(
            "A Textual Inversion cannot be trained on FLUX.1.",
            "FLUX.1 reads a prompt by T5; of the CLIP encoder, whose words could be taught, it sees one pooled vector.",
            "Train a LoRA instead.",
            "kind-family",
        )
    if adapter.kind in {Kind.DORA, Kind.FULL} and config.optim.quantisation != Quantisation.NONE:
        raise TrainingError(
            f"{'DoRA' if adapter.kind == Kind.DORA else 'A full difference'} cannot be trained on a quantised base.",
            "It is computed from the base's weights, which are then not there in whole numbers.",
            "Choose LoRA, LoHa, LoKr or IA³, or a base that is not quantised.",
            "kind-quantisation",
        )
    if adapter.dropout and adapter.kind not in {Kind.LORA, Kind.LOCON, Kind.LOHA, Kind.LOKR}:
        raise TrainingError(
            f"Dropout means nothing for {adapter.kind}.",
            "It changes the base's weights themselves; there is no separate path that could be dropped.",
            "Set the adapter's dropout to 0.",
            "kind-dropout",
        )
