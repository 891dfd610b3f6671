"""What PEFT and diffusers write beside the tensors: alpha, rank, rsLoRA, which layers are feed-forward."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COMPONENT = re.compile(r"^(unet|transformer|text_encoder(?:_[23])?)\.(.*)$")
_WRAPPER = re.compile(r"^base_model\.model\.")


@dataclass(frozen=True)
class PeftConfig:
    """LoraConfig-like facts, one mapping per component ("" for a file of one component)."""

    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def scale(self, module: str, rank: int | None) -> float:
        """alpha / rank (or / √rank with rsLoRA) after the configuration; 1 where it says nothing."""
        facts, path = self._facts(module)
        alpha = _by_pattern(facts.get("alpha_pattern"), path, facts.get("lora_alpha", facts.get("alpha")))
        # Two whole Kronecker factors show no rank; the configuration's own is then the divisor.
        rank = rank or _by_pattern(facts.get("rank_pattern"), path, facts.get("r"))
        if alpha is None or not rank:
            return 1.0
        return float(alpha) / (math.sqrt(rank) if facts.get("use_rslora") else rank)

    def is_feedforward(self, module: str) -> bool | None:
        """Whether IA³ scales this layer's inputs; None where the configuration does not say."""
        facts, path = self._facts(module)
        wanted = facts.get("feedforward_modules")
        if wanted is None:
            return None
        if isinstance(wanted, str):
            return re.fullmatch(wanted, path) is not None
        return any(path == name or path.endswith(f".{name}") for name in wanted)

    def _facts(self, module: str) -> tuple[Mapping[str, Any], str]:
        match = _COMPONENT.match(module)
        component, path = (match[1], match[2]) if match else ("", module)
        facts = self.components.get(component) or self.components.get("") or {}
        return facts, _WRAPPER.sub("", path)


def _by_pattern(patterns: Any, path: str, default: Any) -> Any:
    """PEFT's rule: the first pattern that matches the end of the module's path wins."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return default


def read_config(metadata: Mapping[str, str], beside: str = "") -> PeftConfig:
    """The configuration in the file's own metadata, or in the adapter_config.json that PEFT writes beside it."""
    if "lora_adapter_metadata" in metadata:
        return PeftConfig(_by_component(_object(metadata["lora_adapter_metadata"])))
    return PeftConfig({"": _object(beside)}) if beside else PeftConfig()


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _by_component(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """diffusers writes one flat object: "unet.lora_alpha", "text_encoder.r"."""
    components: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        match = _COMPONENT.match(key)
        component, fact = (match[1], match[2]) if match else ("", key)
        components.setdefault(component, {})[fact] = value
    return components
