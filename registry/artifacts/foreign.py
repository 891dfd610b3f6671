"""Whole models that are no adapters, told by the names that only they have."""

import re
from collections.abc import Callable
from functools import lru_cache

from registry.artifacts.errors import refuse, shown
from registry.artifacts.keys import KEPT, plain_names

CHECKPOINT = (
    "Upload an adapter. From a fine-tuned checkpoint, one can be extracted as the difference to its base model."
)


def _starts(*prefixes: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefixes)


# (code, what it is, what to do instead, whether a name is telling); a name alone proves nothing: see `check_foreign`
FOREIGN: tuple[tuple[str, str, str, Callable[[str], bool]], ...] = (
    (
        "full-checkpoint",
        "a full checkpoint",
        CHECKPOINT,
        _starts("model.diffusion_model.", "diffusion_model.", "cond_stage_model.", "conditioner."),
    ),
    (
        "vae",
        "a VAE",
        "Upload an adapter; VAEs belong to base models.",
        _starts("first_stage_model.", "encoder.down", "decoder.up", "decoder.mid", "post_quant_conv", "quant_conv"),
    ),
    (
        "control-net",
        "a ControlNet",
        "Upload an adapter; control networks are models of their own.",
        _starts("control_model.", "controlnet_", "input_hint_block"),
    ),
    (
        "text-encoder",
        "a text encoder",
        "Upload an adapter; text encoders belong to base models.",
        _starts(
            "text_model.encoder.layers.", "text_model.embeddings.", "encoder.block.", "shared.weight", "vision_model."
        ),
    ),
    (
        "upscaler",
        "an upscaler",
        "Upload an adapter; upscalers are models of their own.",
        _starts("model.0.weight", "model.1.sub.", "body.", "conv_first.", "params_ema.", "RRDB_"),
    ),
    (
        "full-checkpoint",
        "a whole diffusion model",
        CHECKPOINT,
        _starts(
            "double_blocks.",
            "single_blocks.",
            "single_transformer_blocks.",
            "joint_blocks.",
            "down_blocks.",
            "up_blocks.",
            "transformer_blocks.",
            "conv_in.",
            "input_blocks.",
            "blocks.",
            "layers.",
        ),
    ),
)
_CONTROL_NORM = re.compile(r"(^|\.)(query|key)_norm\.scale$")
SHARE = 0.3  # of all tensors: merged files hold whole models beside adapters


@lru_cache(maxsize=KEPT)
def check_foreign(names: tuple[str, ...]) -> None:
    """Refuse whole models; raises ArtifactRefused. Names of adapter kinds do not count, since prefixes are shared."""
    plain = plain_names(names)
    for code, what, remedy, telling in FOREIGN:
        own = list(filter(telling, plain))
        if len(own) > SHARE * len(names):
            refuse(
                code,
                f"The file is {what}, not an adapter.",
                f"{len(own)} of its {len(names)} tensors are a model's own, such as {shown(own[0])}.",
                remedy,
            )
    if len(plain) < len(names):
        _refuse_control_lora(names)


def _refuse_control_lora(names: tuple[str, ...]) -> None:
    """Control LoRAs of FLUX carry the norms of their attention whole, which no plain LoRA does."""
    norm = next((key for key in names if key.endswith("_norm.scale") and _CONTROL_NORM.search(key)), None)
    if norm is not None:
        refuse(
            "control-lora",
            "The file is a Control LoRA.",
            f"It replaces whole layers, such as {shown(norm)}, and reads a control picture that no base model takes.",
            "Upload adapters for the base model's own layers.",
        )
