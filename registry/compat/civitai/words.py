"""What Civitai's words are for ours: base models, types, sorts, periods, content levels and AIR names.

Base models that Civitai has no word for keep the name that our catalogue gives them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from registry.models import Adapter, BaseModel, Version
from registry.models.adapters import ContentLevel

BASE_MODELS: Mapping[str, str] = {
    "sd-1-5": "SD 1.5",
    "sd-2-1": "SD 2.1",
    "sdxl-1-0": "SDXL 1.0",
    "sdxl-turbo": "SDXL Turbo",
    "pony-v6": "Pony",
    "illustrious-xl": "Illustrious",
    "noobai-xl": "NoobAI",
    "sd-3-medium": "SD 3",
    "sd-3-5-large": "SD 3.5 Large",
    "flux-1-dev": "Flux.1 D",
    "flux-1-schnell": "Flux.1 S",
    "flux-2-dev": "Flux.2 D",
    "qwen-image": "Qwen",
    "z-image": "ZImageTurbo",
    "kolors": "Kolors",
    "hunyuan-dit": "Hunyuan 1",
    "ltx-2": "LTXV2",
}
TYPES: Mapping[str, tuple[str, ...]] = {  # Civitai's type → kinds that the inspection names
    "LORA": ("lora", "ia3", "full", "glora", "oft", "boft", "norm"),
    "LoCon": ("locon", "loha", "lokr"),
    "DoRA": ("dora",),
    "TextualInversion": ("textual-inversion",),
}
# Types that Civitai knows and this registry never holds: asking for them finds nothing, and is no mistake.
OTHER_TYPES = (
    "Checkpoint", "Hypernetwork", "AestheticGradient", "Controlnet", "Poses", "Wildcards", "Upscaler", "MotionModule",
    "VAE", "Workflows", "Detection", "Other",
)  # fmt: skip
ECOSYSTEMS: Mapping[str, str] = {"sd1": "sd1", "sd2": "sd2", "sdxl": "sdxl", "sd3": "sd3", "flux1": "flux1"}
AIR_TYPES: Mapping[str, str] = {"LORA": "lora", "LoCon": "lycoris", "DoRA": "dora", "TextualInversion": "embedding"}


@dataclass(frozen=True)
class Sort:
    """A column of `Adapter` and its direction; ids of the same direction break ties."""

    column: str
    rising: bool = False


SORTS: Mapping[str, Sort] = {
    "Newest": Sort("published_at"),
    "Oldest": Sort("published_at", rising=True),
    "Most Downloaded": Sort("download_count"),
    "Highest Rated": Sort("rating"),
    "Most Liked": Sort("rating_count"),
    # Not counted here, so everything has equally many of them, and the newest come first.
    "Most Discussed": Sort("published_at"),
    "Most Collected": Sort("published_at"),
    "Most Images": Sort("published_at"),
}
PERIODS: Mapping[str, timedelta | None] = {
    "AllTime": None,
    "Year": timedelta(days=365),
    "Month": timedelta(days=30),
    "Week": timedelta(days=7),
    "Day": timedelta(days=1),
}
# Civitai's levels are bits: PG, PG-13, R, X, XXX.
NSFW_LEVELS: Mapping[str, int] = {ContentLevel.GENERAL: 1, ContentLevel.SUGGESTIVE: 2, ContentLevel.MATURE: 4}
NSFW_WORDS: Mapping[str, str] = {
    ContentLevel.GENERAL: "None", ContentLevel.SUGGESTIVE: "Soft", ContentLevel.MATURE: "Mature",
}  # fmt: skip
COMMERCIAL = ("None", "Image", "RentCivit", "Rent", "Sell")


def base_model_name(base: BaseModel) -> str:
    """What Civitai's clients call this base model."""
    return BASE_MODELS.get(base.slug, base.name)


def base_models_named(names: Iterable[str]) -> tuple[list[int], list[str]]:
    """The ids of base models with these names (Civitai's, ours, or our slugs), and the names that nobody has."""
    known: dict[str, list[int]] = {}
    for base in BaseModel.objects.all():
        for name in {base.slug, base.name, base_model_name(base)}:
            known.setdefault(name.casefold(), []).append(base.pk)
    unknown = [name for name in names if name.casefold() not in known]
    found = [pk for name in names for pk in known.get(name.casefold(), [])]
    return found, unknown


def accepted_base_models() -> list[str]:
    """The names that `baseModels` accepts, as `enums` lists them."""
    return sorted({base_model_name(base) for base in BaseModel.objects.all()})


def type_of(kind: str) -> str:
    """Civitai's type of an adapter kind."""
    return next((name for name, kinds in TYPES.items() if kind in kinds), "LORA")


def air_of(version: Version) -> str:
    """The AIR name, `urn:air:{ecosystem}:{type}:{source}:{adapter}@{version}`; the source is this registry's own."""
    ecosystem = ECOSYSTEMS.get(version.base_model.family, version.base_model.family.replace("-", "").lower())
    kind = AIR_TYPES[type_of(version.kind)]
    return f"urn:air:{ecosystem}:{kind}:{settings.AIR_SOURCE}:{version.adapter_id}@{version.pk}"


def is_nsfw(adapter: Adapter) -> bool:
    """Civitai calls nsfw what is not for everybody."""
    return adapter.content_level == ContentLevel.MATURE
