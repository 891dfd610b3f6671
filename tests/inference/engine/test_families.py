"""Which family a loaded pipeline belongs to."""

from types import SimpleNamespace
from typing import Any

import pytest

from inference.engine import FAMILIES, family_of
from inference.engine.families import UNKNOWN


def _pipe(name: str, width: int | None = None) -> Any:
    unet = SimpleNamespace(config=SimpleNamespace(cross_attention_dim=width))
    return type(name, (), {"unet": unet})()


@pytest.mark.parametrize(
    ("name", "width", "slug"),
    [
        ("StableDiffusionPipeline", 96, "tinybase"),
        ("StableDiffusionPipeline", 768, "sd1"),
        ("StableDiffusionPAGPipeline", 768, "sd1"),
        ("StableDiffusionPipeline", 1024, "sd2"),
        ("StableDiffusionPipeline", 24, "unknown"),
        ("StableDiffusionXLPipeline", 2048, "sdxl"),
        ("StableDiffusion3Pipeline", None, "sd3"),
        ("FluxPipeline", None, "flux1"),
        ("Flux2Pipeline", None, "flux2"),
        ("QwenImagePipeline", None, "qwen-image"),
        ("ZImagePipeline", None, "z-image"),
        ("KandinskyPipeline", None, "unknown"),
    ],
)
def test_family_is_told_by_class_and_width(name: str, width: int | None, slug: str) -> None:
    assert family_of(_pipe(name, width)).slug == slug


def test_real_pipelines_are_told_apart(sdxl: Any, flux: Any, sd3: Any, sd: Any) -> None:
    assert [family_of(pipe).slug for pipe in (sdxl, flux, sd3)] == ["sdxl", "flux1", "sd3"]
    assert family_of(sd) is UNKNOWN


def test_slugs_are_those_of_the_mapping() -> None:
    assert all(slug == family.slug for slug, family in FAMILIES.items())
    assert UNKNOWN.slug not in FAMILIES
