"""Which program's naming a file follows: its layout. One file has one layout, told by most of its names."""

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from registry.artifacts.keys import KEPT

# The first pattern that fits a name counts; the order goes from the most to the least telling. What a name has to hold
# for the pattern to fit at all is looked for first, and a pattern that starts with ^ is tried at the start alone: of a
# large file each name is asked about.
_Layout = tuple[str, str, Callable[[str], object]]
_LAYOUTS: tuple[_Layout, ...] = tuple(
    (name, needs, re.compile(pattern).match if pattern.startswith("^") else re.compile(pattern).search)
    for name, needs, pattern in (
        ("xlabs", ".processor.", r"(double|single)_blocks\.\d+\.processor\."),
        ("attn-processor", ".processor.", r"\.processor\."),
        ("attn-processor", "self_attn.to_", r"self_attn\.to_\w+_lora\."),
        ("onetrainer", "lora_transformer", r"^lora_transformer[_.]"),
        ("lycoris", "lycoris_", r"^lycoris_"),
        ("kohya", "", r"^(lora|oft)_(unet|te\d?|prior_te|prior_unet)[_.]"),
        ("peft", "base_model.model.", r"^((unet|transformer|text_encoder(_\d)?)\.)?base_model\.model\."),
        ("comfyui", "", r"^((model\.)?diffusion_model|text_encoders|clip_[lg]|t5xxl)\."),
        ("diffusers", "", r"^(unet|transformer|text_encoder(_\d)?)\."),
        ("bfl", "", r"^((double|single)_blocks|joint_blocks|img_in|txt_in|final_layer)[._]"),
        ("peft", ".", r"\.lora_[AB](\.|$)|\.lora_magnitude_vector|\.ia3_l$|\.lora_embedding_"),
    )
)
PLAIN = "plain"  # module names without any program's prefix


@lru_cache(maxsize=KEPT)
def layout_of(keys: tuple[str, ...]) -> str:
    """The layout that most tensor names of the adapter follow."""
    together = "\n".join(keys)
    possible = [(name, needs, fits) for name, needs, fits in _LAYOUTS if needs in together]
    counts = Counter(_layout(key, possible) for key in keys)
    return counts.most_common(1)[0][0]


def _layout(key: str, possible: list[_Layout]) -> str:
    for name, needs, fits in possible:
        if needs in key and fits(key):
            return name
    return PLAIN
