"""What a version's previews show."""

import pytest

from accounts.models import User
from inference.plan import DEFAULT_PROMPT, OTHERS, SEED, SETTINGS, preview_plan, strengths
from registry.models import BaseModel, Version
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


def test_each_prompt_has_a_row_of_four_pictures_from_one_seed(version: Version) -> None:
    version.preview_prompts = ["a red circle", "a blue square"]
    version.strength = 0.8
    plan = preview_plan(version)
    assert [(picture.row, picture.column, picture.prompt) for picture in plan] == [
        (row, column, prompt) for row, prompt in enumerate(version.preview_prompts) for column in range(4)
    ]
    assert [picture.strength for picture in plan] == [0.0, 0.5, 0.8, 1.0] * 2
    assert [picture.seed for picture in plan] == [SEED] * 4 + [SEED + 1] * 4
    assert {picture.settings for picture in plan} == {SETTINGS["tinybase"]}


def test_version_without_prompts_shows_its_first_trigger_word(version: Version) -> None:
    version.preview_prompts = []
    version.trigger_words = ["zwx", "other"]
    assert {picture.prompt for picture in preview_plan(version)} == {
        "zwx, a large red circle on a white background",
    }


def test_family_without_settings_of_its_own_has_the_usual_ones(ada: User) -> None:
    version = make_submitted(actor=ada)
    version.base_model = BaseModel.objects.get(slug="z-image")
    assert {(picture.settings, picture.prompt) for picture in preview_plan(version)} == {(OTHERS, DEFAULT_PROMPT)}
