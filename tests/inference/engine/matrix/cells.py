"""The cells of the table: a kind, a layout and a family make one adapter file, whose numbers are known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from inference.engine.names import LAYOUTS, Target
from inference.engine.names.spelling import Speller
from tests.inference.engine.made import base
from tests.inference.engine.references import KINDS, Reference, norm

FAMILIES = {"sd": "SD 1/2", "sdxl": "SDXL", "flux": "FLUX.1", "sd3": "SD 3"}
# kind → (reference, what it is put on)
ROWS: Mapping[str, tuple[str, str]] = {
    "LoRA": ("lora", "linear"),
    "LoCon": ("lora", "conv"),
    "LoCon, Tucker": ("lora-tucker", "conv"),
    "DoRA": ("dora", "linear"),
    "LoHa": ("loha", "linear"),
    "LoHa, Tucker": ("loha-tucker", "conv"),
    "LoKr": ("lokr", "linear"),
    "LoKr, whole factors": ("lokr-whole", "linear"),
    "GLoRA": ("glora", "linear"),
    "IA³": ("ia3", "linear"),
    "Full": ("full", "linear"),
    "Norm": ("norm", "norm"),
    "OFT": ("oft", "linear"),
    "BOFT": ("boft", "linear"),
}
_UNET = {
    "linear": "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
    "conv": "down_blocks.1.resnets.0.conv1",
    "norm": "mid_block.attentions.0.norm",
}
_TRANSFORMER = {"linear": "transformer_blocks.0.attn.to_out.0"}
LAYERS = {"sd": ("unet", _UNET), "sdxl": ("unet", _UNET), "flux": ("transformer", _TRANSFORMER)}
LAYERS["sd3"] = ("transformer", _TRANSFORMER)
_KOHYA, _PEFT = LAYOUTS["kohya"].slots, LAYOUTS["peft"].slots
# layout → (families, the suffixes of its low-rank tensors)
SHAPES: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "kohya": (tuple(FAMILIES), _KOHYA),
    "kohya, diffusers names": (("sdxl",), _KOHYA),
    "LyCORIS": (("sd", "sdxl"), _KOHYA),
    "ComfyUI": (tuple(FAMILIES), _KOHYA),
    "ai-toolkit": (("flux", "sd3"), _PEFT),
    "OneTrainer": (("flux", "sd3"), _KOHYA),
    "diffusers": (tuple(FAMILIES), _PEFT),
    "PEFT": (tuple(FAMILIES), _PEFT),
    "no prefix": (tuple(FAMILIES), _PEFT),
    "attention processor": (("sd", "sdxl"), {"up": "up.weight", "down": "down.weight"}),
    "XLabs": (("flux",), {"up": "up.weight", "down": "down.weight"}),
}
_LORA_ONLY = {"attention processor", "XLabs"}


@dataclass(frozen=True)
class Cell:
    """One adapter file."""

    kind: str
    layout: str
    family: str

    @property
    def where(self) -> tuple[str, str]:
        component, layers = LAYERS[self.family]
        return component, layers[ROWS[self.kind][1]]

    def layer(self, pipe: object) -> nn.Module:
        component, path = self.where
        return getattr(pipe, component).get_submodule(path)

    def reference(self) -> Reference:
        kind, _ = ROWS[self.kind]
        layer = self.layer(_Pipe(self.family))
        return norm(layer, 5) if kind == "norm" else KINDS[kind](layer, 5)

    def write(self, folder: Path, reference: Reference) -> Path:
        path = folder / "pytorch_lora_weights.safetensors"
        save_file(self._tensors(reference.tensors), path)
        return path

    def _tensors(self, slots: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `slots` by kohya's suffixes; alpha is folded in where the layout has no tensor for it."""
        suffixes = {theirs: slot for slot, theirs in _KOHYA.items()}
        by_slot = {suffixes.get(key, key): value for key, value in slots.items()}
        spelling = SHAPES[self.layout][1]
        if "alpha" in by_slot and "up" in by_slot and spelling is not _KOHYA:
            by_slot["up"] = by_slot["up"] * by_slot.pop("alpha") / by_slot["down"].shape[0]
        if "dora_scale" in by_slot and spelling is _PEFT:
            by_slot["magnitude"] = by_slot.pop("dora_scale").reshape(-1)
        return {
            f"{self._name()}.{spelling.get(slot, _KOHYA.get(slot, slot))}": value.contiguous()
            for slot, value in by_slot.items()
        }

    def _name(self) -> str:
        component, path = self.where
        speller = {slug: Speller(base(self.family).index, LAYOUTS[slug]) for slug in LAYOUTS}
        target = next(
            (group for group in speller["comfyui"].groups(component) if group.modules == (path,)),
            Target(component, (path,)),
        )
        match self.layout:
            case "kohya":
                return speller["kohya"].name(target)
            case "kohya, diffusers names":
                return f"lora_unet_{path.replace('.', '_')}"
            case "LyCORIS":
                return f"lycoris_{path.replace('.', '_')}"
            case "ComfyUI" | "ai-toolkit":
                return speller["comfyui"].name(target)
            case "OneTrainer":
                return f"lora_transformer_{path.replace('.', '_')}"
            case "diffusers":
                return f"{component}.{path}"
            case "PEFT":
                return f"base_model.model.{path}"
            case "attention processor":
                return f"unet.{path.removesuffix('.to_k')}.processor.to_k_lora"
            case "XLabs":
                return "double_blocks.0.processor.proj_lora1"
        return path


@dataclass(frozen=True)
class _Pipe:
    family: str

    def __getattr__(self, component: str) -> nn.Module:
        module: nn.Module = base(self.family).index.module(component)
        return module


def cells(family: str) -> Iterator[Cell]:
    """All that can be written; a layout that has a spelling for LoRA alone is left out for the others."""
    _, layers = LAYERS[family]
    for kind, (_, place) in ROWS.items():
        for layout, (families, _) in SHAPES.items():
            if family in families and place in layers and (kind == "LoRA" or layout not in _LORA_ONLY):
                yield Cell(kind, layout, family)


def example(layer: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if isinstance(layer, nn.Linear):
        return torch.randn(2, 5, layer.in_features, generator=generator)
    width = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.weight.shape[0]
    return torch.randn(2, int(width), 6, 6, generator=generator)
