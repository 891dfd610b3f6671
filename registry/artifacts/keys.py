"""How adapter files spell tensor names: every suffix of every kind, as (module, slot).

A slot is the role a tensor has for its module ("up", "down", "hada_w1_a"); the same for all spellings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_PLAIN = (
    "alpha dora_scale oft_blocks rescale on_input diff diff_b w_norm b_norm set_weight reshape_weight ia3_l "
    "hada_w1_a hada_w1_b hada_w2_a hada_w2_b hada_t1 hada_t2 "
    "lokr_w1 lokr_w1_a lokr_w1_b lokr_w2 lokr_w2_a lokr_w2_b lokr_t1 lokr_t2"
).split()
_WEIGHTED = {
    "up": "lora_up lora.up lora_linear_layer.up lora_B".split(),
    "down": "lora_down lora.down lora_linear_layer.down lora_A".split(),
    "mid": ["lora_mid"],
    "magnitude": ["lora_magnitude_vector"],
    **{name: [name] for name in ("a1", "a2", "b1", "b2", "bm")},
}
SLOTS: Mapping[str, str] = {
    **{name: name for name in _PLAIN},
    **{f"{name}.weight": slot for slot, names in _WEIGHTED.items() for name in names},
    **{name: slot for name, slot in (("lora_A", "down"), ("lora_B", "up"), ("lora_magnitude_vector", "magnitude"))},
    "lora_B.bias": "up_bias",
    "lora_up.bias": "up_bias",
    "lora_embedding_A": "embedding_down",
    "lora_embedding_B": "embedding_up",
    "weight": "weight",
}
KEPT = 16  # sets of names; one takes up to a megabyte
_PARTS = max(suffix.count(".") for suffix in SLOTS) + 1
# PEFT writes the adapter's own name into the key where the file was not made by save_pretrained.
_NAMED = re.compile(
    r"\.(lora_[AB]|lora_magnitude_vector|lora_embedding_[AB]|ia3_l|hada_\w+|lokr_\w+)"
    r"\.(?!weight$|bias$)[^.]+(\.weight|\.bias)?$"
)
_PROCESSOR = re.compile(r"^(?P<where>.*?)\.processor\.to_(?P<what>q|k|v|out)_lora\.(?P<side>down|up)\.weight$")
_TEXT_PROCESSOR = re.compile(r"^(?P<where>.*self_attn)\.to_(?P<what>q|k|v|out)_lora\.(?P<side>down|up)\.weight$")
_XLABS = re.compile(r"^(?P<module>.*\.processor\.(qkv|proj)_lora[12]?)\.(?P<side>down|up)\.weight$")


@dataclass(frozen=True)
class Grouped:
    """The tensor names of a file, sorted: module → slot → key, and the keys that fit no adapter kind."""

    modules: Mapping[str, Mapping[str, str]]
    others: tuple[str, ...]


# Files of one trainer for one base model hold the same names: what follows from names alone is kept for the next one.
@lru_cache(maxsize=KEPT)
def grouped(keys: tuple[str, ...]) -> Grouped:
    """Sort tensor names by module and slot."""
    modules: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for key in sorted(keys):
        split = split_key(key)
        if split is None:
            others.append(key)
            continue
        module, slot = split
        modules.setdefault(module, {})[slot] = key
    return _without_plain_weights(modules, others)


@lru_cache(maxsize=KEPT)
def plain_names(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are none of an adapter kind's; `X.weight` is any model's."""
    return tuple(key for key in keys if (split := split_key(key)) is None or split[1] == "weight")


def _without_plain_weights(modules: dict[str, dict[str, str]], others: list[str]) -> Grouped:
    """`X.weight` is IA³ only beside `X.on_input`; alone it is a model's own weight, no adapter."""
    for module, slots in list(modules.items()):
        if "weight" in slots and "on_input" not in slots:
            others.append(slots.pop("weight"))
        if not slots:
            del modules[module]
    return Grouped(modules, tuple(sorted(others)))


@lru_cache(maxsize=32_768)  # every name is asked for by several steps of an inspection
def split_key(key: str) -> tuple[str, str] | None:
    """(module, slot) of a tensor name, or None where it belongs to no adapter kind."""
    special = _special(key) if "_lora" in key else None
    if special is not None:
        return special
    parts = key.split(".")
    if len(parts) > 2:
        parts = _NAMED.sub(r".\1\2", key).split(".")
    for count in range(min(_PARTS, len(parts) - 1), 0, -1):
        slot = SLOTS.get(".".join(parts[-count:]))
        if slot is not None:
            return ".".join(parts[:-count]), slot
    return None


def _special(key: str) -> tuple[str, str] | None:
    """Spellings in which the module's name itself is bent: attention processors of early diffusers, and XLabs."""
    if match := _PROCESSOR.match(key):
        what = "to_out.0" if match["what"] == "out" else f"to_{match['what']}"
        return f"{match['where']}.{what}", match["side"]
    if match := _TEXT_PROCESSOR.match(key):
        what = "out_proj" if match["what"] == "out" else f"{match['what']}_proj"
        return f"{match['where']}.{what}", match["side"]
    if match := _XLABS.match(key):
        return match["module"], match["side"]
    return None
