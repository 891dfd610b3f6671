"""The blocks of a base model by their usual short names, and weights for each: presets and lists as in LBW.

Names, orders of lists and presets are those of sd-webui-lora-block-weight, which the field's block weights come from.
"""

import math
import re
from collections.abc import Mapping

from inference.engine.errors import EngineError
from inference.engine.names import NameIndex, Target

BASE = "BASE"
"""The text encoders."""
EDGE = "EDGE"
"""Layers outside all blocks: time embeddings, the first and the last layers. No list speaks of them."""


def _numbered(letters: str, count: int) -> list[str]:
    return [f"{letters}{number:02}" for number in range(count)]


# How many numbers a list may have, and which block each is for. The short ones leave out blocks without attention.
LISTS: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "unet": {
        17: (BASE, "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "M00", *_numbered("OUT", 12)[3:]),
        26: (BASE, *_numbered("IN", 12), "M00", *_numbered("OUT", 12)),
    },
    "unet-xl": {
        12: (BASE, "IN04", "IN05", "IN07", "IN08", "M00", *_numbered("OUT", 6)),
        20: (BASE, *_numbered("IN", 9), "M00", *_numbered("OUT", 9)),
    },
    "flux": {61: ("CLIP", "T5", "IN", *_numbered("D", 19), *_numbered("S", 38), "OUT")},
}
_PRESETS: Mapping[str, str] = {
    "NONE": "0 0000000 000000000",
    "ALL": "1 1111111 111111111",
    "INS": "1 1110000 000000000",
    "IND": "1 0001110 000000000",
    "INALL": "1 1111110 000000000",
    "MIDD": "1 0001111 111100000",
    "OUTD": "1 0000000 111100000",
    "OUTS": "1 0000000 000011111",
    "OUTALL": "1 0000000 111111111",
}
PRESETS = tuple(_PRESETS)
_TRANSFORMER = (
    (re.compile(r"^single_(transformer_)?blocks\.(\d+)\."), "S"),
    (re.compile(r"^(transformer_|double_|joint_)?blocks\.(\d+)\."), "D"),
    (re.compile(r"^(layers)\.(\d+)\."), "D"),
)


def block_of(index: NameIndex, target: Target) -> str:
    """The block a target lies in: IN04, M00, OUT11, D03, S17, IN, OUT, BASE, CLIP, T5, or EDGE."""
    if target.component.startswith("text"):
        return _encoder_block(index, target)
    if target.component == "transformer":
        return _transformer_block(target.modules[0])
    original = index.originals(target.component).get(target.modules)
    parts = (original[0] if original else "").split(".")
    match parts[0]:
        case "input_blocks":
            return f"IN{int(parts[1]):02}"
        case "output_blocks":
            return f"OUT{int(parts[1]):02}"
        case "middle_block":
            return "M00"
    return EDGE


def _encoder_block(index: NameIndex, target: Target) -> str:
    if "unet" in index.components:
        return BASE
    return "T5" if target.modules[0].startswith(("encoder.block.", "shared", "encoder.final")) else "CLIP"


def _transformer_block(path: str) -> str:
    for pattern, letter in _TRANSFORMER:
        if match := pattern.match(path):
            return f"{letter}{int(match[2]):02}"
    return "OUT" if path.startswith(("norm_out", "proj_out", "final_layer", "head")) else "IN"


def block_weights(text: str, index: NameIndex) -> dict[str, float]:
    """Weights from a preset ("OUTALL"), a list in the order of LBW ("1,0,0.5,…"), or names ("IN04=0.5, M00=0").

    Blocks that are left out of a short list get 0, as in LBW; of names, 1. Raises EngineError for anything else.
    """
    text = text.strip()
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip().upper(): _number(value, text) for name, _, value in pairs}
    family = _family(index)
    if text.upper() in _PRESETS:
        return _of_preset(text.upper(), family)
    values = [_number(part, text) for part in text.split(",")]
    lists = LISTS.get(family, {})
    if len(values) not in lists:
        lengths = " or ".join(str(length) for length in sorted(lists)) or "no list"
        raise _unreadable(text, f"A list for this base model has {lengths} numbers; this one has {len(values)}.")
    return _spread(dict(zip(lists[len(values)], values, strict=True)), family)


def _family(index: NameIndex) -> str:
    if "transformer" in index.components:
        paths = (path for path, _ in index.module("transformer").named_modules())
        return "flux" if any(path.startswith("single_transformer_blocks") for path in paths) else "transformer"
    return "unet-xl" if "text_encoder_2" in index.components else "unet"


def _of_preset(name: str, family: str) -> dict[str, float]:
    if family not in {"unet", "unet-xl"}:
        raise _unreadable(name, "The presets are for models with a UNet; this one is a transformer.")
    digits = _PRESETS[name].replace(" ", "")
    by_block = dict(zip(LISTS["unet"][17], map(float, digits), strict=True))
    # LBW applies the lists of SD 1 to SDXL by the same names; its nine in- and output blocks are among them.
    return _spread(by_block, "unet")


def _spread(by_block: dict[str, float], family: str) -> dict[str, float]:
    longest = max(LISTS[family].values(), key=len)
    return {block: by_block.get(block, 0.0) for block in longest}


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _unreadable(whole, f"“{text.strip()}” is no number.") from None
    if not math.isfinite(value):
        raise _unreadable(whole, f"“{text.strip()}” is no usable number.")
    return value


def _unreadable(text: str, why: str) -> EngineError:
    return EngineError(
        f"The block weights “{text[:60]}” cannot be used.",
        why,
        f"Give one of {', '.join(PRESETS)}; a list such as 1,0,0.5,… in the order of LoRA Block Weight; "
        "or names such as IN04=0.5, M00=0.",
    )
