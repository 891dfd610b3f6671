"""What a version's previews show: which prompts, at which strengths, with which settings."""

import re
from dataclasses import dataclass

from django.conf import settings

from registry.models import Version
from registry.models.images import Shows

SEED = 20_261
STYLE, SUBJECT = "style", "subject"
SUBJECT_TAGS = {"subject", "character", "person", "object", "product", "clothing", "animal", "vehicle", "creature"}
# What an adapter is shown with where its uploader chose no prompts: {} is the place of the trigger word. They are
# the same for every adapter of a purpose, so that strips can be compared; the tiny base knows only coloured shapes.
PROMPTS: dict[str, dict[str, tuple[str, ...]]] = {
    "tinybase": {
        STYLE: ("{} a large red circle on a white background", "{} a large blue star on a yellow background"),
        SUBJECT: ("{} on a white background", "{} on a blue background"),
    }
}
OTHER_PROMPTS: dict[str, tuple[str, ...]] = {
    STYLE: ("{}, a house by a lake, morning light", "{}, a bowl of fruit on a wooden table"),
    SUBJECT: ("{} on a plain background", "{} in a forest, daylight"),
}


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
    shows: Shows
    prompt: str
    strength: float
    seed: int
    settings: Settings


def preview_plan(version: Version) -> list[Picture]:
    """The rows of a version's previews, from the top.

    One row per prompt: strength 0 beside 0.5, 1.0 and the declared one, all from the same seed. Then the first of them
    that has a trigger word, without it; and the first prompt from further seeds: both beside the base alone.
    """
    prompts = _prompts(version)
    rows = [
        [(Shows.STRENGTH, prompt, strength, SEED + row) for strength in strengths(version.strength)]
        for row, prompt in enumerate(prompts)
    ]
    beside = (0.0, reference_strength(version.strength))
    if plain := _first_plain(prompts, version.trigger_words):
        rows.append([(Shows.PLAIN, plain[1], strength, SEED + plain[0]) for strength in beside])
    seeds = [SEED + len(prompts) + number for number in range(settings.PREVIEW_SEEDS)]
    if seeds:
        rows.append([(Shows.SEEDS, prompts[0], strength, seed) for seed in seeds for strength in beside])
    sampling = SETTINGS.get(version.base_model.family, OTHERS)
    return [
        Picture(row, column, *what, sampling)
        for row, pictures in enumerate(rows)
        for column, what in enumerate(pictures)
    ]


def reference_strength(declared: float) -> float:
    """The strength at which an adapter counts as used: the declared one, or 1 where that is 0."""
    return declared or 1.0


def strengths(declared: float) -> list[float]:
    """Four strengths in rising order; where the declared one is among the usual three, 0.75 fills the place."""
    usual = [0.0, 0.5, 1.0]
    return sorted([*usual, declared if declared not in usual else 0.75])


def _prompts(version: Version) -> list[str]:
    if version.preview_prompts:
        return list(version.preview_prompts)
    tags = set(version.adapter.tags.values_list("name", flat=True))
    purpose = SUBJECT if tags & SUBJECT_TAGS else STYLE
    word = next(iter(version.trigger_words), "")
    shapes = PROMPTS.get(version.base_model.family, OTHER_PROMPTS)[purpose]
    return [_tidy(shape.format(word)) for shape in shapes]


def _first_plain(prompts: list[str], words: list[str]) -> tuple[int, str] | None:
    """The row of the first prompt that says more than its trigger word, and what is left of it without the word."""
    for row, prompt in enumerate(prompts):
        plain = without_trigger(prompt, words)
        if plain and plain != _tidy(prompt):
            return row, plain
    return None


def without_trigger(prompt: str, words: list[str]) -> str:
    """The prompt without any of the trigger words, whole words only; the longest are taken out first."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        prompt = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", prompt, flags=re.IGNORECASE)
    return _tidy(prompt)


def _tidy(prompt: str) -> str:
    """One space between words, one comma between parts, none at the ends."""
    parts = (" ".join(part.split()) for part in prompt.split(","))
    return ", ".join(filter(None, parts))
