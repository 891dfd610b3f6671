"""A base model on disk: a folder in diffusers layout, or one file in the layout it was published in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inference.engine.checkpoints.skeleton import skeleton
from inference.engine.checkpoints.tensors import TensorStore
from inference.engine.errors import EngineError
from inference.engine.names import NameIndex, Target
from inference.engine.weights import fused

WEIGHTS = frozenset(".safetensors .bin .ckpt .pt .pth .msgpack .h5 .onnx .pb .gguf".split())
"""Endings of weight files; only safetensors are ever opened, and none of the others is carried along."""
# Prefixes of single-file checkpoints, beside those that adapter files use too.
_PREFIXES = (
    ("cond_stage_model.transformer.", "text_encoder."),
    ("conditioner.embedders.0.transformer.", "text_encoder."),
    ("conditioner.embedders.1.model.", "text_encoder_2."),
    ("cond_stage_model.model.", "text_encoder."),
)
_PARAMETER = re.compile(r"^(?P<module>.*?)(?:\.(?P<plain>weight|bias)|\.(?P<norm>scale)|_(?P<fused>weight|bias))$")
_SET = re.compile(r"^[^.]+(?P<variant>\.(?!safetensors$)[^.-]+)?(-\d+-of-\d+)?\.safetensors$")


@dataclass(frozen=True)
class Slot:
    """One tensor of a checkpoint: which layers' weight or bias it is."""

    store: TensorStore
    key: str
    target: Target
    parameter: str
    """weight or bias"""


class Checkpoint:
    """The tensors of a base model by what they are. `architecture` is needed for a single file: a diffusers folder
    of the same family, of which only the configurations are read.
    """

    def __init__(self, source: Path, architecture: Path | None = None) -> None:
        self.source = source
        self.is_file = source.is_file()
        if self.is_file and architecture is None:
            raise EngineError(
                "The checkpoint's layers are not known.",
                f"{source.name} is a single file, which does not say what model it is of.",
                "Name a folder in diffusers layout of the same base family beside it.",
            )
        self.index = NameIndex(skeleton(architecture or source))
        self.stores = tuple(self._stores())
        if not self.stores:
            raise EngineError(
                "The base model has no usable weights.",
                f"{source.name} holds no .safetensors file; pickle weights (.bin, .ckpt) are never opened.",
                "Download or convert the weights as safetensors.",
            )
        self.slots = {(slot.store.path, slot.key): slot for store in self.stores for slot in self._slots(store)}
        self._by_module = self._modules()

    def _stores(self) -> Iterator[TensorStore]:
        """One set of files a component: of several variants (fp16 and full), the full one."""
        if self.is_file:
            yield TensorStore(self.source)
            return
        for component in self.index.components:
            files = sorted((self.source / component).glob("*.safetensors"))
            variants = {path: (match["variant"] or "") for path in files if (match := _SET.match(path.name))}
            chosen = min(variants.values(), default="")
            yield from (TensorStore(path) for path, variant in variants.items() if variant == chosen)

    def _slots(self, store: TensorStore) -> Iterator[Slot]:
        for key in store.tensors:
            match = _PARAMETER.match(key)
            if match is None:
                continue
            name = match["module"] if self.is_file else f"{store.path.parent.name}.{match['module']}"
            parameter = match["plain"] or match["fused"] or "weight"
            found = [
                target
                for target in self.index.candidates(_known_prefix(name))
                if self._fits(target, parameter, store.tensors[key].shape)
            ]
            if found:
                yield Slot(store, key, found[0], parameter)

    def _fits(self, target: Target, parameter: str, shape: tuple[int, ...]) -> bool:
        wanted = self.index.shape(target)
        if parameter == "bias":
            return shape == (wanted[0],)
        # 1×1 convolutions and linear layers are one thing under two names in SDXL checkpoints.
        return torch.Size(shape).numel() == wanted.numel() and shape[:1] == tuple(wanted[:1])

    def _modules(self) -> dict[tuple[str, str, str], Slot]:
        return {
            (slot.target.component, module, slot.parameter): slot
            for slot in self.slots.values()
            for module in slot.target.modules
        }

    def slot(self, component: str, module: str, parameter: str = "weight") -> Slot | None:
        """The tensor that holds this layer's weight or bias."""
        return self._by_module.get((component, module, parameter))

    def part(self, component: str, module: str, parameter: str = "weight") -> Tensor:
        """The float32 weight (in the shape of the layer) or bias of one layer."""
        slot = self.slot(component, module, parameter)
        if slot is None:
            raise EngineError(
                "The checkpoint lacks a layer.",
                f"{self.source.name} has no {parameter} for {component}.{module}.",
                "Use a complete checkpoint of this base family.",
            )
        whole = slot.store.read(slot.key).float()
        return self.parts(slot, whole)[slot.target.modules.index(module)]

    def parts(self, slot: Slot, whole: Tensor) -> list[Tensor]:
        """A stored tensor as the parameters of the layers it is for."""
        if slot.target.swapped:
            whole = torch.cat(tuple(reversed(whole.chunk(2))))
        layers = self.index.layers(slot.target)
        pieces = torch.split(whole, [layer.weight.shape[0] for layer in layers])
        if slot.parameter == "bias":
            return list(pieces)
        return [piece.reshape(layer.weight.shape) for piece, layer in zip(pieces, layers, strict=True)]

    def whole(self, slot: Slot, parts: list[Tensor]) -> Tensor:
        """The reverse of `parts`, in the stored shape."""
        return fused(parts, swapped=slot.target.swapped).reshape(slot.store.tensors[slot.key].shape)

    def weight(self, target: Target) -> Tensor:
        """The float32 weight of a target, as `BaseWeights` wants it."""
        parts = [self.part(target.component, module) for module in target.modules]
        return fused(parts, swapped=target.swapped)


def _known_prefix(name: str) -> str:
    for theirs, ours in _PREFIXES:
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return name
