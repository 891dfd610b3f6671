"""The rule-based captioner names what scenes of the tiny base were drawn from."""

import numpy as np
import pytest
from PIL import Image

from training.captioning import CaptionerUnusable, captioner, parsed
from training.captioning.rules import connected
from training.tinybase.judge import sample_wanted
from training.tinybase.scenes import POSITIONS, SIZE, SIZES, Scene, Thing, draw

WANTED = sample_wanted(np.random.default_rng(5), 60)


def test_one_thing_is_named_in_the_words_it_was_drawn_from() -> None:
    made = captioner("rules")
    right = [made.caption(Image.fromarray(draw(wanted.scene))) == wanted.prompt for wanted in WANTED]
    assert np.mean(right) >= 0.9, "a crescent and its place may be read otherwise, hardly anything else"


def test_larger_pictures_are_read_as_the_tiny_base_sees_them() -> None:
    wanted = WANTED[0]
    picture = Image.fromarray(draw(wanted.scene)).resize((512, 512), Image.Resampling.NEAREST)
    assert captioner("rules").caption(picture) == wanted.prompt


def thing(shape: str, colour: str, place: str) -> Thing:
    return Thing(shape, colour, "", place, POSITIONS[place], SIZES[""])


def test_two_things_are_both_named() -> None:
    scene = Scene("white", (thing("circle", "red", "on the left"), thing("square", "blue", "on the right")), "")
    said = captioner("rules").caption(Image.fromarray(draw(scene)))
    assert said.endswith("on a white background")
    assert set(said.removesuffix(" on a white background").split(" and ")) == {
        "a red circle on the left",
        "a blue square on the right",
    }


def test_empty_picture_has_a_ground_alone() -> None:
    assert captioner("rules").caption(Image.new("RGB", (64, 64), (45, 85, 205))) == "a plain blue background"


def test_parts_touch_by_sides_and_corners() -> None:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[2, 2] = mask[3, 3] = mask[3, 4] = mask[10, 10] = True
    assert sorted(int(part.sum()) for part in connected(mask)) == [1, 3]


@pytest.mark.parametrize("setting", ["transformers", "wd-tagger", "unknown:x", ""])
def test_setting_without_a_model_is_refused_with_what_to_do(setting: str) -> None:
    with pytest.raises(CaptionerUnusable) as refused:
        parsed(setting)
    assert refused.value.remedy


def test_location_may_hold_colons() -> None:
    assert parsed("transformers:/models/a:b") == ("transformers", "/models/a:b")
