"""Whole models that are no adapters, told by the names that only they have."""

from collections.abc import Callable, Mapping

from registry.artifacts.errors import refuse
from registry.artifacts.keys import split_key
from registry.artifacts.tensors import TensorInfo

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
        _starts("model.diffusion_model.", "cond_stage_model.", "conditioner."),
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
SHARE = 0.3  # of all tensors: merged files hold whole models beside adapters


def check_foreign(tensors: Mapping[str, TensorInfo]) -> None:
    """Refuse whole models; raises ArtifactRefused. Names of adapter kinds do not count, since prefixes are shared."""
    plain = [key for key in tensors if (split := split_key(key)) is None or split[1] == "weight"]
    for code, what, remedy, telling in FOREIGN:
        count = sum(map(telling, plain))
        if count > SHARE * len(tensors):
            refuse(
                code,
                f"The file is {what}, not an adapter.",
                f"{count} of its {len(tensors)} tensors are a model's own, such as “{next(filter(telling, plain))}”.",
                remedy,
            )
