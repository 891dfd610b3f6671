"""What can be chosen in a generation on each base model: sizes, steps and guidance to begin with, samplers, limits."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from governance.policy import Use
from inference.generation_plan import Limits, Spec
from inference.plan import OTHERS, SETTINGS
from inference.samplers import samplers_for
from registry.models import BaseModel

PURPOSES = (Use.PERSONAL, Use.RESEARCH, Use.COMMERCIAL_OUTPUTS)
PURPOSE_NAMES = [use.value for use in PURPOSES]
MULTIPLES = {"sd3": 16, "flux1": 16, "flux2": 16, "qwen-image": 16, "z-image": 16}  # as the engine's families have it
OTHER_MULTIPLE = 8
PATTERNS = ("dynamic", "static", "compiled")  # of serving, as the engine's `Pattern` has them


@dataclass(frozen=True)
class Defaults:
    """What the form begins with."""

    steps: int
    guidance: float
    width: int
    height: int


def bases_here() -> QuerySet[BaseModel]:
    """Base models whose weights this registry's workers have."""
    return BaseModel.objects.filter(slug__in=list(settings.BASE_MODEL_LOCATIONS))


def defaults_of(base: BaseModel) -> Defaults:
    found = SETTINGS.get(base.family, OTHERS)
    return Defaults(found.steps, found.guidance, found.width, found.height)


def limits_of(base: BaseModel) -> Limits:
    """What one request may ask for on this base model."""
    multiple = MULTIPLES.get(base.family, OTHER_MULTIPLE)
    return Limits(
        pictures=settings.GENERATION_PICTURES_PER_REQUEST,
        steps=settings.GENERATION_STEPS_MAX,
        pixels=settings.GENERATION_PIXELS_MAX,
        multiple=multiple,
        smallest=64 if base.family == "tinybase" else 256,
        samplers={sampler.slug: sampler.label for sampler in samplers_for(base.family)},
    )


def specs_by_base(*, purpose: str = PURPOSES[0].value) -> dict[str, Spec]:
    """For each base model, a request with its own values and no prompt: what fills the gaps of a batch's lines."""
    made = {}
    for base in bases_here():
        own = defaults_of(base)
        values = {"steps": own.steps, "guidance": own.guidance, "width": own.width, "height": own.height}
        made[base.slug] = Spec(prompt="", base_model=base.slug, purpose=purpose, **values)  # type: ignore[arg-type]
    return made
