"""Which program's naming a file follows: its layout. One file has one layout, told by most of its names."""

import re
from collections import Counter
from collections.abc import Iterable

# The first pattern that fits a name counts; the order goes from the most to the least telling.
_LAYOUTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("xlabs", r"(double|single)_blocks\.\d+\.processor\."),
        ("attn-processor", r"\.processor\.to_\w+_lora\.|self_attn\.to_\w+_lora\.|\.processor\."),
        ("onetrainer", r"^lora_transformer[_.]"),
        ("lycoris", r"^lycoris_"),
        ("kohya", r"^(lora|oft)_(unet|te\d?|prior_te|prior_unet)[_.]"),
        ("peft", r"^base_model\.model\.|^(unet|transformer|text_encoder(_\d)?)\.base_model\.model\."),
        ("comfyui", r"^(model\.)?diffusion_model\.|^text_encoders\.|^(clip_[lg]|t5xxl)\."),
        ("diffusers", r"^(unet|transformer|text_encoder(_\d)?)\."),
        ("bfl", r"^((double|single)_blocks|joint_blocks|img_in|txt_in|final_layer)[._]"),
        ("peft", r"\.lora_[AB](\.|$)|\.lora_magnitude_vector|\.ia3_l$|\.lora_embedding_"),
    )
)
PLAIN = "plain"  # module names without any program's prefix


def layout_of(keys: Iterable[str]) -> str:
    """The layout that most tensor names of the adapter follow."""
    counts = Counter(_layout(key) for key in keys)
    return counts.most_common(1)[0][0]


def _layout(key: str) -> str:
    return next((name for name, pattern in _LAYOUTS if pattern.search(key)), PLAIN)
