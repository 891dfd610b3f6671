"""What a version's previews show."""

from typing import Any

import pytest

from accounts.models import User
from inference.plan import (
    OTHERS,
    PROMPTS,
    SEED,
    SETTINGS,
    STYLE,
    SUBJECT,
    Picture,
    preview_plan,
    strengths,
    without_trigger,
)
from registry.models import BaseModel, Tag, Version
from tests.factories.registry import make_submitted

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        (0.8, [0.0, 0.5, 0.8, 1.0]),
        (1.0, [0.0, 0.5, 0.75, 1.0]),
        (0.5, [0.0, 0.5, 0.75, 1.0]),
        (0.0, [0.0, 0.5, 0.75, 1.0]),
        (1.6, [0.0, 0.5, 1.0, 1.6]),
        (-1.0, [-1.0, 0.0, 0.5, 1.0]),
    ],
)
def test_strengths_are_four_with_the_base_alone_among_them(declared: float, wanted: list[float]) -> None:
    assert strengths(declared) == wanted


def _rows(version: Version) -> list[tuple[str, str, list[float], set[int]]]:
    """What each row shows: its purpose, its prompt, its strengths and its seeds."""
    rows: dict[int, list[Picture]] = {}
    for picture in preview_plan(version):
        rows.setdefault(picture.row, []).append(picture)
    return [
        (row[0].shows.value, row[0].prompt, [picture.strength for picture in row], {picture.seed for picture in row})
        for row in rows.values()
    ]


def test_each_prompt_has_a_row_of_four_pictures_from_one_seed(version: Version) -> None:
    version.preview_prompts, version.trigger_words = ["a red circle", "a blue square"], []
    version.strength = 0.8
    plan = preview_plan(version)
    assert [(picture.row, picture.column, picture.prompt) for picture in plan] == [
        (row, column, prompt) for row, prompt in enumerate(version.preview_prompts) for column in range(4)
    ]
    assert [picture.strength for picture in plan] == [0.0, 0.5, 0.8, 1.0] * 2
    assert [picture.seed for picture in plan] == [SEED] * 4 + [SEED + 1] * 4
    assert {picture.settings for picture in plan} == {SETTINGS["tinybase"]}


def test_whole_set_shows_strength_the_missing_word_and_further_seeds(version: Version, settings: Any) -> None:
    settings.PREVIEW_SEEDS = 2
    version.preview_prompts, version.trigger_words = ["a lake", "zwx a red circle, zwx"], ["zwx"]
    version.strength = 0.8
    assert _rows(version) == [
        ("strength", "a lake", [0.0, 0.5, 0.8, 1.0], {SEED}),
        ("strength", "zwx a red circle, zwx", [0.0, 0.5, 0.8, 1.0], {SEED + 1}),
        ("plain", "a red circle", [0.0, 0.8], {SEED + 1}),
        ("seeds", "a lake", [0.0, 0.8, 0.0, 0.8], {SEED + 2, SEED + 3}),
    ]


def test_adapter_declared_at_nothing_is_measured_at_one(version: Version, settings: Any) -> None:
    settings.PREVIEW_SEEDS = 1
    version.preview_prompts, version.trigger_words, version.strength = ["zwx a lake"], ["zwx"], 0.0
    assert [row[2] for row in _rows(version)] == [[0.0, 0.5, 0.75, 1.0], [0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("prompt", "words", "left"),
    [
        ("zwx, a lake", ["zwx"], "a lake"),
        ("a ZWX lake", ["zwx"], "a lake"),
        ("a zwxy lake", ["zwx"], "a zwxy lake"),
        ("a sks mushroom in a wood", ["sks", "a sks mushroom"], "in a wood"),
        ("<first-aid>", ["<first-aid>"], ""),
        ("<first-aid> in the centre", ["<first-aid>"], "in the centre"),
        ("a lake (c++)", ["c++"], "a lake ( )"),
        ("a lake", [""], "a lake"),
    ],
)
def test_trigger_words_are_taken_out_whole(prompt: str, words: list[str], left: str) -> None:
    assert without_trigger(prompt, words) == left


def test_prompt_that_is_nothing_but_its_word_has_no_row_without_it(version: Version) -> None:
    version.preview_prompts, version.trigger_words = ["<first-aid>"], ["<first-aid>"]
    assert [row[0] for row in _rows(version)] == ["strength"]


def test_version_without_prompts_shows_its_first_trigger_word_in_fixed_ones(version: Version) -> None:
    version.preview_prompts = []
    version.trigger_words = ["zwx", "other"]
    style = [shape.format("zwx") for shape in PROMPTS["tinybase"][STYLE]]
    assert [row[1] for row in _rows(version)] == [*style, style[0].removeprefix("zwx ")]


def test_subject_has_the_prompts_of_subjects(version: Version) -> None:
    version.adapter.tags.add(Tag.objects.create(name="character"))
    version.preview_prompts, version.trigger_words = [], ["zwx"]
    assert [row[1] for row in _rows(version)][:2] == [shape.format("zwx") for shape in PROMPTS["tinybase"][SUBJECT]]


def test_family_without_settings_of_its_own_has_the_usual_ones(ada: User) -> None:
    version = make_submitted(actor=ada)
    version.base_model = BaseModel.objects.get(slug="z-image")
    version.trigger_words = []
    plan = preview_plan(version)
    assert {picture.settings for picture in plan} == {OTHERS}
    assert {picture.prompt for picture in plan} == {
        "a house by a lake, morning light", "a bowl of fruit on a wooden table",
    }  # fmt: skip
