"""What differs between base families, as small data objects; everything else is one code path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """One kind of base model: how a loaded pipeline is recognised, and how it is asked for a picture."""

    slug: str
    pipelines: tuple[str, ...]
    """Beginnings of the names of diffusers pipeline classes."""
    cross_widths: tuple[int, ...] = ()
    """Widths of the UNet's cross-attention; empty where the pipeline class says enough."""
    multiple: int = 8
    """Width and height are multiples of this."""
    half: str = "float16"
    """The half precision to use on a GPU."""
    guidance: str = "guidance_scale"
    """What the pipeline calls its guidance."""
    negative: Mapping[str, str] = field(default_factory=dict)
    """Further arguments a negative prompt needs here, taken from the request: argument → field."""


_STABLE = ("StableDiffusionPipeline", "StableDiffusionSAGPipeline", "StableDiffusionPAGPipeline")

_ALL = (
    Family("tinybase", _STABLE, (96,), multiple=8),
    Family("sd1", _STABLE, (768,)),
    Family("sd2", _STABLE, (1024,)),
    Family("sdxl", ("StableDiffusionXLPipeline", "StableDiffusionXLPAGPipeline")),
    Family("sd3", ("StableDiffusion3",), multiple=16),
    # FLUX is distilled on guidance; a negative prompt acts only with the true guidance beside it.
    Family("flux1", ("FluxPipeline",), multiple=16, half="bfloat16", negative={"true_cfg_scale": "guidance"}),
    Family("flux2", ("Flux2",), multiple=16, half="bfloat16"),
    Family("qwen-image", ("QwenImagePipeline",), multiple=16, half="bfloat16", guidance="true_cfg_scale"),
    Family("z-image", ("ZImagePipeline",), multiple=16, half="bfloat16"),
)
FAMILIES: Mapping[str, Family] = {family.slug: family for family in _ALL}
UNKNOWN = Family("unknown", ())


def family_of(pipe: Any) -> Family:
    """The family a loaded pipeline belongs to, by its class and the width of its cross-attention."""
    name = type(pipe).__name__
    matching = [family for family in _ALL if name.startswith(family.pipelines)]
    width = getattr(getattr(getattr(pipe, "unet", None), "config", None), "cross_attention_dim", None)
    exact = [family for family in matching if not family.cross_widths or width in family.cross_widths]
    return exact[0] if exact else UNKNOWN
