"""Colour differences, and what is told of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.effects import SIDE, Shot, difference, effects_of, lab_of


def _plain(colour: tuple[int, int, int], side: int = 32) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


# Values of CIELAB under D65 for corners of sRGB, as colour science tables give them.
@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((128, 128, 128), (53.59, 0.0, 0.0)),
    ],
)
def test_colours_are_those_of_the_tables(colour: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    found = lab_of(_plain(colour))
    assert found.shape == (SIDE, SIDE, 3)
    assert np.allclose(found, lab, atol=0.02)


def test_black_and_white_differ_by_a_hundred() -> None:
    assert difference(lab_of(_plain((0, 0, 0))), lab_of(_plain((255, 255, 255)))) == pytest.approx(100, abs=0.01)


def _noise(seed: int) -> np.ndarray:
    return lab_of(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)))


pictures = st.integers(0, 2**32 - 1).map(_noise)


@given(pictures, pictures, pictures)
def test_difference_is_a_distance(one, other, third) -> None:  # type: ignore[no-untyped-def]
    assert difference(one, one) == 0
    assert difference(one, other) == difference(other, one) >= 0
    assert difference(one, third) <= difference(one, other) + difference(other, third) + 1e-9


def test_grain_that_shrinking_removes_is_no_change() -> None:
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    grain, turned = Image.fromarray(board).convert("RGB"), Image.fromarray(255 - board).convert("RGB")
    assert difference(lab_of(grain), lab_of(turned)) < 0.5


GREYS = {level: lab_of(_plain((level, level, level))) for level in (0, 60, 120, 180, 240)}


def _shot(shows: str, prompt: str, seed: int, strength: float, level: int) -> Shot:
    return Shot(shows, prompt, seed, strength, GREYS[level])


def test_facts_are_worked_out_from_the_rows_that_show_them() -> None:
    shots = [
        _shot("strength", "w a lake", 1, 0.0, 0), _shot("strength", "w a lake", 1, 0.5, 60),
        _shot("strength", "w a lake", 1, 1.0, 120),
        _shot("strength", "a tree", 2, 0.0, 60), _shot("strength", "a tree", 2, 0.5, 60),
        _shot("strength", "a tree", 2, 1.0, 60),
        _shot("plain", "a lake", 1, 0.0, 0), _shot("plain", "a lake", 1, 1.0, 60),
        _shot("seeds", "w a lake", 3, 0.0, 240), _shot("seeds", "w a lake", 3, 1.0, 180),
    ]  # fmt: skip
    found = effects_of(shots, reference=1.0)
    half, whole = difference(GREYS[60], GREYS[0]), difference(GREYS[120], GREYS[0])
    assert found.curve == ((0.5, pytest.approx(half / 2)), (1.0, pytest.approx(whole / 2)))
    assert found.change == pytest.approx(whole / 2)
    assert (found.with_trigger, found.without_trigger) == (pytest.approx(whole), pytest.approx(half))
    assert found.diversity == pytest.approx(difference(GREYS[180], GREYS[120]))
    assert found.base_diversity == pytest.approx(difference(GREYS[240], GREYS[0]))


def test_trigger_is_compared_over_one_seed_alone() -> None:
    """A picture without the word counts only beside one with it from the same seed, however much it changed."""
    shots = [
        _shot("strength", "w a lake", 1, 0.0, 0), _shot("strength", "w a lake", 1, 1.0, 120),
        _shot("plain", "a lake", 1, 0.0, 0), _shot("plain", "a lake", 1, 1.0, 60),
        _shot("plain", "a lake", 9, 0.0, 0), _shot("plain", "a lake", 9, 1.0, 240),
    ]  # fmt: skip
    found = effects_of(shots, reference=1.0)
    assert found.with_trigger == pytest.approx(difference(GREYS[120], GREYS[0]))
    assert found.without_trigger == pytest.approx(difference(GREYS[60], GREYS[0]))
    assert effects_of([shot for shot in shots if shot.seed == 9 or shot.shows == "strength"], reference=1.0) == replace(
        found, with_trigger=None, without_trigger=None
    )


@given(st.floats(-2, 2).filter(bool))
def test_what_has_no_pictures_is_not_made_up(reference: float) -> None:
    found = effects_of([_shot("strength", "a", 1, 0.0, 0)], reference=reference)
    assert found.curve == ()
    assert {found.change, found.with_trigger, found.without_trigger, found.diversity, found.base_diversity} == {None}


def test_negative_strength_has_its_place_in_the_curve() -> None:
    shots = [_shot("strength", "a", 1, strength, level) for strength, level in [(0.0, 0), (-1.0, 60), (0.5, 120)]]
    found = effects_of(shots, reference=-1.0)
    assert [strength for strength, _ in found.curve] == [-1.0, 0.5]
    assert found.change == pytest.approx(difference(GREYS[60], GREYS[0]))
