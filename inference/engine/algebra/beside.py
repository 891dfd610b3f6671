"""alpha and rank as PEFT and diffusers write them: in a configuration, with patterns for the layers that differ."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

Scales = Mapping[str, tuple[int, float]]
"""module path → (rank, alpha)"""


def facts_of(scales: Scales) -> dict[str, Any]:
    """`r` and `lora_alpha` of most layers, and patterns for the others; each pattern fits one path."""
    rank = Counter(rank for rank, _ in scales.values()).most_common(1)[0][0]
    alpha = Counter(alpha for _, alpha in scales.values()).most_common(1)[0][0]
    return {
        "r": rank,
        "lora_alpha": _plain(alpha),
        "rank_pattern": {_only(path): own for path, (own, _) in scales.items() if own != rank},
        "alpha_pattern": {_only(path): _plain(own) for path, (_, own) in scales.items() if own != alpha},
        "target_modules": sorted(scales),
    }


def _only(path: str) -> str:
    return f"^{re.escape(path)}"


def _plain(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def diffusers_metadata(by_component: Mapping[str, Scales], *, dora: bool) -> str:
    """The value of `lora_adapter_metadata`: one flat object, each key behind its component."""
    flat = {
        f"{component}.{key}": value
        for component, scales in by_component.items()
        for key, value in {**facts_of(scales), **({"use_dora": True} if dora else {})}.items()
    }
    return json.dumps(flat, sort_keys=True)


def peft_config(kind: str, scales: Scales, *, dora: bool) -> str:
    """The content of adapter_config.json."""
    facts = {"base_model_name_or_path": None, "inference_mode": True, "task_type": None, **facts_of(scales)}
    if kind == "loha":
        facts |= {"peft_type": "LOHA", "alpha": facts.pop("lora_alpha")}
    else:
        facts |= {"peft_type": "LORA", "bias": "none", "fan_in_fan_out": False, "use_dora": dora}
    return json.dumps(facts, indent=2, sort_keys=True)
