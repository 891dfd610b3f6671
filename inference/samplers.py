"""The samplers people know, by name: which scheduler of diffusers each is, with which options. Without torch.

What the base model's own scheduler says about its noise (prediction type, betas, zero terminal SNR, shift) stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sampler:
    """One entry of the list. `label` is the name that the field writes into a picture's parameters."""

    slug: str
    label: str
    scheduler: str
    """A class of diffusers."""
    options: Mapping[str, object] = field(default_factory=dict)
    flow: bool = False
    """For models that predict a flow (FLUX, SD 3 and later); all others predict noise or velocity."""
    random: bool = False
    """Adds noise at each step; the seed decides which."""
    fixed: bool = False
    """Chooses its time steps itself, so that the spacing of the base model's scheduler does not count."""
    only: frozenset[str] | None = None
    """The families whose pipelines can use it, where not all can."""


_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}

_ALL = (
    Sampler("euler", "Euler", "EulerDiscreteScheduler"),
    Sampler("euler-a", "Euler a", "EulerAncestralDiscreteScheduler", random=True),
    Sampler("dpmpp-2m", "DPM++ 2M", "DPMSolverMultistepScheduler"),
    Sampler("dpmpp-2m-karras", "DPM++ 2M Karras", "DPMSolverMultistepScheduler", _KARRAS),
    Sampler("dpmpp-2m-sde", "DPM++ 2M SDE", "DPMSolverMultistepScheduler", _SDE, random=True),
    Sampler(
        "dpmpp-2m-sde-karras", "DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", {**_SDE, **_KARRAS}, random=True
    ),
    Sampler("ddim", "DDIM", "DDIMScheduler"),
    Sampler("unipc", "UniPC", "UniPCMultistepScheduler"),
    Sampler("heun", "Heun", "HeunDiscreteScheduler"),
    Sampler("dpm2", "DPM2", "KDPM2DiscreteScheduler"),
    Sampler("dpm2-a", "DPM2 a", "KDPM2AncestralDiscreteScheduler", random=True),
    Sampler("deis", "DEIS", "DEISMultistepScheduler"),
    Sampler("ddpm", "DDPM", "DDPMScheduler", random=True),
    Sampler("lcm", "LCM", "LCMScheduler", random=True, fixed=True),
    Sampler("flow-euler", "Euler", "FlowMatchEulerDiscreteScheduler", flow=True),
    Sampler("flow-heun", "Heun", "FlowMatchHeunDiscreteScheduler", flow=True, only=frozenset({"sd3"})),
)
SAMPLERS: Mapping[str, Sampler] = {sampler.slug: sampler for sampler in _ALL}
FLOW_FAMILIES = frozenset({"sd3", "flux1", "flux2", "qwen-image", "z-image"})


def samplers_for(family: str) -> tuple[Sampler, ...]:
    """Those a base family can use, in the order of the list."""
    flow = family in FLOW_FAMILIES
    return tuple(one for one in _ALL if one.flow == flow and (one.only is None or family in one.only))


def sampler_named(label: str, family: str) -> Sampler | None:
    """The sampler of a family that somebody calls so, by slug or label, in any spelling of case and spaces."""
    wanted = _plain(label)
    return next((one for one in samplers_for(family) if wanted in {_plain(one.slug), _plain(one.label)}), None)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower().replace("+", "p") if character.isalnum())
