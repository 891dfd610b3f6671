"""The other direction: what a module of a pipeline is called in the files of each layout."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inference.engine.names.index import ENCODERS, NameIndex, Target

_COMFY_ENCODERS = {"clip_l": "text_encoders.clip_l.transformer.", "clip_g": "text_encoders.clip_g.transformer."}


@dataclass(frozen=True)
class Layout:
    """How the files of one program are written."""

    slug: str
    slots: Mapping[str, str]
    """slot → suffix, where it is not the slot's own name"""
    fused: bool
    """Transformers under the names of their original code, where q, k and v are one layer."""
    kinds: frozenset[str]
    """What its programs read."""
    alpha_beside: bool = False
    """alpha and rank stand in a configuration, not in a tensor."""

    def suffix(self, slot: str) -> str:
        return self.slots.get(slot, slot)


_WEIGHTED = {name: f"{name}.weight" for name in ("a1", "a2", "b1", "b2", "bm")}
_KOHYA = {"up": "lora_up.weight", "down": "lora_down.weight", "mid": "lora_mid.weight", "up_bias": "lora_up.bias"}
_PEFT = {
    "up": "lora_B.weight",
    "down": "lora_A.weight",
    "up_bias": "lora_B.bias",
    "magnitude": "lora_magnitude_vector",
    "embedding_up": "lora_embedding_B",
    "embedding_down": "lora_embedding_A",
}
_LYCORIS = frozenset("lora locon dora loha lokr glora full norm oft boft".split())
# What ComfyUI reads: its `comfy/weight_adapter` and `comfy/lora.py`. LyCORIS and A1111 read IA³ too. PEFT's LoKr takes
# the sizes of its factors from one setting for all layers, which need not be those of a file.
LAYOUTS: Mapping[str, Layout] = {
    layout.slug: layout
    for layout in (
        Layout("kohya", _KOHYA | _WEIGHTED, fused=True, kinds=_LYCORIS | {"ia3"}),
        Layout("comfyui", _KOHYA | _WEIGHTED, fused=True, kinds=_LYCORIS),
        Layout("diffusers", _PEFT, fused=False, kinds=frozenset({"lora", "locon", "dora"}), alpha_beside=True),
        Layout("peft", _PEFT, fused=False, kinds=frozenset({"lora", "locon", "dora", "loha"}), alpha_beside=True),
    )
}


class Speller:
    """Names of modules in one layout, for one base model."""

    def __init__(self, index: NameIndex, layout: Layout, components: frozenset[str] | None = None) -> None:
        self.index = index
        self.layout = layout
        self._present = index.components
        self._written = frozenset(index.components) if components is None else components

    def name(self, target: Target) -> str:
        """The name of a target of `groups`."""
        if target.component in ENCODERS:
            return self._encoder_prefix(target.component) + self._joined(self._encoder_path(target))
        path = self._denoiser_path(target)
        match self.layout.slug:
            case "kohya":
                return f"lora_unet_{self._joined(path)}"
            case "comfyui":
                return f"diffusion_model.{path}"
            case "peft":
                return self._peft_prefix(target.component) + path
        return f"{target.component}.{path}"

    def groups(self, component: str) -> Iterator[Target]:
        """The layers of a component as this layout sees them: fused where it fuses."""
        taken: set[str] = set()
        if self._original(component):
            for modules, (_, target) in self.index.originals(component).items():
                if not taken.intersection(modules):
                    taken.update(modules)
                    yield target
        for path, layer in self.index.module(component).named_modules():
            if path not in taken and getattr(layer, "weight", None) is not None:
                yield Target(component, (path,))

    def _original(self, component: str) -> bool:
        """Whether it goes by its original names: in ComfyUI always; sd-scripts keeps those of diffusers for SD 1/2."""
        if not self.layout.fused or component in ENCODERS:
            return False
        return self.layout.slug == "comfyui" or component == "transformer" or "text_encoder_2" in self._present

    def _denoiser_path(self, target: Target) -> str:
        if self._original(target.component):
            found = self.index.originals(target.component).get(target.modules)
            if found is not None:
                return found[0]
        (path,) = target.modules
        return path

    def _joined(self, path: str) -> str:
        return path.replace(".", "_") if self.layout.slug == "kohya" else path

    def _is_clip(self, component: str) -> bool:
        return any(path.endswith("encoder.layers") for path, _ in self.index.module(component).named_modules())

    def _encoder_path(self, target: Target) -> str:
        """CLIP's own layers stand below `text_model`, except in PEFT, which knows the live module's names only."""
        (path,) = target.modules
        own_level = path.startswith(("text_model.", "text_projection"))
        if self.layout.slug == "peft" or own_level or not self._is_clip(target.component):
            return path
        return f"text_model.{path}"

    def _encoder_prefix(self, component: str) -> str:
        clip = self._is_clip(component)
        match self.layout.slug:
            case "kohya":
                several = any(name in self._present for name in ENCODERS[1:])
                number = ENCODERS.index(component) + 1 if clip else 3
                return f"lora_te{number}_" if several else "lora_te_"
            case "comfyui":
                return (
                    _COMFY_ENCODERS.get("clip_l" if component == "text_encoder" else "clip_g", "")
                    if clip
                    else ("text_encoders.t5xxl.transformer.")
                )
            case "peft":
                return self._peft_prefix(component)
        return f"{component}."

    def _peft_prefix(self, component: str) -> str:
        """PEFT saves one model; several components are told apart as attributes of one wrapped pipeline."""
        return "base_model.model." if len(self._written) == 1 else f"base_model.model.{component}."
