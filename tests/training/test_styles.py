"""Styles of the starter adapters: each paints the thing differently, and only where the style says."""

import numpy as np
import pytest

from training.tinybase.scenes import COLOURS, Scene, Thing, draw, signed_distance
from training.tinybase.styles import STYLES

THING = Thing("circle", "blue", "large", "in the centre", (0.5, 0.5), 18.0)
SCENE = Scene("yellow", (THING,), "")


@pytest.mark.parametrize("name", STYLES)
def test_style_paints_the_thing_otherwise(name: str) -> None:
    styled, plain = draw(SCENE, STYLES[name]), draw(SCENE)
    inside = signed_distance(THING) < -1
    assert np.abs(styled[inside].astype(int) - plain[inside]).mean() > 10
    others = [draw(SCENE, paint) for other, paint in STYLES.items() if other != name]
    assert all((styled != other).any() for other in others)


@pytest.mark.parametrize("name", sorted(STYLES.keys() - {"glowing"}))
def test_style_leaves_the_ground_alone(name: str) -> None:
    outside = signed_distance(THING) > 1
    assert (draw(SCENE, STYLES[name])[outside] == COLOURS["yellow"]).all()


def test_glow_fades_into_the_ground() -> None:
    distance, picture = signed_distance(THING), draw(SCENE, STYLES["glowing"]).astype(int)
    away = [np.abs(picture[(distance > near) & (distance < near + 2)] - COLOURS["yellow"]).mean() for near in (1, 5, 9)]
    assert away[0] > away[1] > away[2] > 0
