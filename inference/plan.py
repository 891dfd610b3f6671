"""What a version's previews show: which prompts, at which strengths, with which settings."""

from dataclasses import dataclass

from registry.models import Version

SEED = 20_261
PROMPTS = {
    "tinybase": "a large red circle on a white background",
}
DEFAULT_PROMPT = "a photograph of a house by a lake, morning light"


@dataclass(frozen=True)
class Settings:
    """Sampling settings of a base family."""

    steps: int
    guidance: float
    width: int
    height: int


SETTINGS = {
    "tinybase": Settings(20, 2.5, 64, 64),
    "sd1": Settings(25, 7.0, 512, 512),
    "sd2": Settings(25, 7.0, 768, 768),
    "sdxl": Settings(30, 6.0, 1024, 1024),
    "sd3": Settings(28, 5.0, 1024, 1024),
    "flux1": Settings(28, 3.5, 1024, 1024),
}
OTHERS = Settings(28, 5.0, 1024, 1024)


@dataclass(frozen=True)
class Picture:
    """One picture of the plan: its place in the strip, and what makes it."""

    row: int
    column: int
    prompt: str
    strength: float
    seed: int
    settings: Settings


def preview_plan(version: Version) -> list[Picture]:
    """One row per prompt; strength 0 beside 0.5, 1.0 and the declared one, all from the same seed."""
    settings = SETTINGS.get(version.base_model.family, OTHERS)
    return [
        Picture(row, column, prompt, strength, SEED + row, settings)
        for row, prompt in enumerate(_prompts(version))
        for column, strength in enumerate(strengths(version.strength))
    ]


def strengths(declared: float) -> list[float]:
    """Four strengths in rising order; where the declared one is among the usual three, 0.75 fills the place."""
    usual = [0.0, 0.5, 1.0]
    return sorted([*usual, declared if declared not in usual else 0.75])


def _prompts(version: Version) -> list[str]:
    if version.preview_prompts:
        return list(version.preview_prompts)
    subject = PROMPTS.get(version.base_model.family, DEFAULT_PROMPT)
    return [", ".join([*version.trigger_words[:1], subject])]
