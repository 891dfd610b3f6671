"""Looking up what an adapter file calls a module among the modules a pipeline has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from diffusers.models.normalization import AdaLayerNormContinuous
from torch import nn

from inference.engine.names.tables import TABLES, Table
from inference.engine.names.unet import original_names

DENOISER = ("unet", "transformer")
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
_ALL = (*DENOISER, *ENCODERS)
_CLIP_LEVEL = "text_model."

# (prefix, components it may mean in order of preference); names behind a trailing "_" have underscores for dots.
# sd-scripts calls T5 te3, everyone else te2, so te3 falls back on the second encoder of FLUX.
PREFIXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("base_model.model.unet.", ("unet",)),
    ("base_model.model.transformer.", ("transformer",)),
    ("base_model.model.text_encoder_3.", ("text_encoder_3",)),
    ("base_model.model.text_encoder_2.", ("text_encoder_2",)),
    ("base_model.model.text_encoder.", ("text_encoder",)),
    ("text_encoders.clip_l.transformer.", ("text_encoder",)),
    ("text_encoders.clip_g.transformer.", ("text_encoder_2",)),
    ("text_encoders.t5xxl.transformer.", ("text_encoder_3", "text_encoder_2")),
    ("clip_l.transformer.", ("text_encoder",)),
    ("clip_g.transformer.", ("text_encoder_2",)),
    ("t5xxl.transformer.", ("text_encoder_3", "text_encoder_2")),
    *((f"{name}.base_model.model.", (name,)) for name in _ALL),
    ("base_model.model.", _ALL),
    ("model.diffusion_model.", DENOISER),
    ("diffusion_model.", DENOISER),
    *((f"{name}.", (name,)) for name in _ALL),
    ("lora_unet.", DENOISER),
    ("lora_transformer.", DENOISER),
    *((f"lora_te{number}.", encoders) for number, encoders in (("", ENCODERS[:1]), ("1", ENCODERS[:1]))),
    ("lora_te2.", ("text_encoder_2",)),
    ("lora_te3.", ("text_encoder_3", "text_encoder_2")),
    ("lora_unet_", DENOISER),
    ("lora_transformer_", DENOISER),
    ("oft_unet_", DENOISER),
    ("lora_te1_", ("text_encoder",)),
    ("lora_te2_", ("text_encoder_2",)),
    ("lora_te3_", ("text_encoder_3", "text_encoder_2")),
    ("lora_te_", ENCODERS),
    ("lycoris_unet_", DENOISER),
    ("lycoris_te1_", ("text_encoder",)),
    ("lycoris_te2_", ("text_encoder_2",)),
    ("lycoris_te_", ENCODERS),
    ("lycoris_", _ALL),
    ("", _ALL),
)


@dataclass(frozen=True)
class Target:
    """The modules one entry of an adapter changes: usually one; several where the entry is of a fused layer."""

    component: str
    modules: tuple[str, ...]
    swapped: bool = False

    def __str__(self) -> str:
        return " + ".join(f"{self.component}.{module}" for module in self.modules)


@dataclass
class _Names:
    """All names of one component's layers, dotted and with underscores."""

    component: str
    module: Any
    dotted: dict[str, Target] = field(default_factory=dict)
    original: dict[tuple[str, ...], tuple[str, Target]] = field(default_factory=dict)
    """modules → (name in the code the model was published with, the target that name means)"""

    @cached_property
    def underscored(self) -> dict[str, Target]:
        return {name.replace(".", "_"): target for name, target in self.dotted.items()}

    def add(self, name: str, modules: tuple[str, ...], *, swapped: bool = False) -> None:
        self.dotted.setdefault(name, Target(self.component, modules, swapped))

    def add_original(self, name: str, modules: tuple[str, ...], *, swapped: bool = False) -> None:
        self.add(name, modules, swapped=swapped)
        self.original.setdefault(modules, (name, Target(self.component, modules, swapped)))


class NameIndex:
    """Every name under which a module of this pipeline can appear in an adapter file."""

    def __init__(self, pipe: Any) -> None:
        found = ((name, getattr(pipe, name, None)) for name in _ALL)
        self._names = {name: _names(name, module) for name, module in found if isinstance(module, nn.Module)}

    def candidates(self, name: str) -> list[Target]:
        """The modules a name can mean, best first; several only where the layout leaves the component open."""
        for prefix, components in PREFIXES:
            if name.startswith(prefix):
                rest = name[len(prefix) :]
                present = [self._names[component] for component in components if component in self._names]
                found = [target for names in present if (target := _look_up(names, rest, prefix)) is not None]
                if found:
                    return found
        return []

    @property
    def components(self) -> tuple[str, ...]:
        """The components of this pipeline that an adapter can change."""
        return tuple(self._names)

    def module(self, component: str) -> Any:
        """The component itself."""
        return self._names[component].module

    def layers(self, target: Target) -> list[Any]:
        """The layers of a target, in the order of its rows."""
        module = self._names[target.component].module
        return [module.get_submodule(path) for path in target.modules]

    def shape(self, target: Target) -> torch.Size:
        """The shape of the weight, or of the fused weight with one module's rows below the other's."""
        first, *others = [layer.weight.shape for layer in self.layers(target)]
        return torch.Size([first[0] + sum(shape[0] for shape in others), *first[1:]])

    def originals(self, component: str) -> Mapping[tuple[str, ...], tuple[str, Target]]:
        """modules → (name, target) in the code the model was published with; empty for text encoders."""
        return self._names[component].original

    def why_absent(self, name: str) -> str:
        """Why a name has no module here, for people."""
        for prefix, components in PREFIXES[:-1]:
            if name.startswith(prefix):
                if not any(component in self._names for component in components):
                    return f"The base model has no {components[0].replace('_', ' ')}."
                break
        return "The base model has no layer of this name."


def _look_up(names: _Names, rest: str, prefix: str) -> Target | None:
    return names.underscored.get(rest) if prefix.endswith("_") else names.dotted.get(rest)


def _names(component: str, module: nn.Module) -> _Names:
    names = _Names(component, module)
    paths = [path for path, layer in module.named_modules() if isinstance(getattr(layer, "weight", None), nn.Parameter)]
    for path in paths:
        names.add(path, (path,))
    if component == "unet":
        for original, path in original_names(module, paths).items():
            names.add_original(original, (path,))
    elif component == "transformer":
        swapped = _continuous(module)
        for theirs, modules in _original_names(set(paths)):
            names.add_original(theirs, modules, swapped=modules[0] in swapped)
    else:
        _add_clip_level(names, paths)
    return names


def _add_clip_level(names: _Names, paths: list[str]) -> None:
    """transformers 5 dropped the `text_model.` level of CLIPTextModel; files have it, or not."""
    for path in paths:
        if path.startswith(_CLIP_LEVEL):
            names.add(path.removeprefix(_CLIP_LEVEL), (path,))
        else:
            names.add(_CLIP_LEVEL + path, (path,))


def _continuous(module: nn.Module) -> frozenset[str]:
    """Layers whose halves are (scale, shift) here and (shift, scale) in the original code of FLUX and SD 3.

    The last ones of the transformer and, in SD 3, that of the last block's text side.
    """
    layers = module.named_modules()
    return frozenset(f"{path}.linear" for path, layer in layers if isinstance(layer, AdaLayerNormContinuous))


def _original_names(paths: set[str]) -> list[tuple[str, tuple[str, ...]]]:
    """By the table that knows the most of these layers; parts of a table fit other architectures as well."""
    tables = [
        [
            (theirs, modules)
            for theirs, modules in _spelled_out(table, paths)
            if all(module in paths for module in modules)
        ]
        for table in TABLES
        if all(any(path.startswith(f"{blocks.ours}.") for path in paths) for blocks in table.blocks)
    ]
    return max(tables, key=lambda names: len({modules for _, modules in names}), default=[])


def _spelled_out(table: Table, paths: set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from table.layers.items()
    for blocks in table.blocks:
        numbers = {path.split(".")[1] for path in paths if path.startswith(f"{blocks.ours}.")}
        for number in sorted(numbers):
            for theirs, modules in blocks.layers.items():
                yield (
                    f"{blocks.theirs}.{number}.{theirs}",
                    tuple(f"{blocks.ours}.{number}.{module}" for module in modules),
                )
