"""Drawn pictures and their captions: the same for the same seed, true, and with pairs held back."""

import numpy as np
import pytest

from training.tinybase.scenes import (
    COLOURS,
    HELD_OUT,
    NONSENSE,
    POSITIONS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    draw,
    sample_scene,
)


def _scenes(count: int, seed: int = 1, **options: object) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [sample_scene(rng, **options) for _ in range(count)]  # type: ignore[arg-type]


def test_same_seed_draws_the_same_pictures() -> None:
    first, second, other = _scenes(5), _scenes(5), _scenes(5, seed=2)
    assert first == second != other
    assert all((draw(one) == draw(two)).all() for one, two in zip(first, second, strict=True))


def test_caption_names_every_thing() -> None:
    for scene in _scenes(300):
        for thing in scene.things:
            assert f"{thing.colour} {thing.shape}" in scene.caption
        named = (
            scene.caption.rpartition(" on a ")[2].removesuffix(" background") if " background" in scene.caption else ""
        )
        assert not named or named.split(" background")[0] == scene.background


def test_held_out_pairs_are_never_drawn_unless_allowed() -> None:
    assert len(HELD_OUT) == 12
    drawn = {(thing.shape, thing.colour) for scene in _scenes(2000) for thing in scene.things}
    assert not drawn & HELD_OUT
    assert len(drawn) == len(SHAPES) * len(COLOURS) - len(HELD_OUT)
    allowed = {(thing.shape, thing.colour) for scene in _scenes(2000, allowed=HELD_OUT) for thing in scene.things}
    assert allowed >= HELD_OUT


def test_words_without_meaning_are_left_out_where_asked() -> None:
    nonsense = set(NONSENSE)
    with_them = sum(bool(nonsense & set(scene.caption.split())) for scene in _scenes(1000))
    assert 100 < with_them < 230
    assert not any(nonsense & set(scene.caption.split()) for scene in _scenes(1000, plain=True))


def test_thing_is_never_of_the_grounds_colour() -> None:
    things = [(scene.background, thing.colour) for scene in _scenes(500) for thing in scene.things]
    assert all(ground != colour for ground, colour in things)


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_drawn_in_its_colour_at_its_place(shape: str) -> None:
    for name, centre in POSITIONS.items():
        thing = Thing(shape, "red", "", name, centre, SIZES[""])
        mask = (draw(Scene("white", (thing,), "")) == COLOURS["red"]).all(axis=2)
        rows, columns = np.nonzero(mask)
        assert abs((columns.min() + columns.max() + 1) / 128 - centre[0]) < 0.08
        assert abs((rows.min() + rows.max() + 1) / 128 - centre[1]) < 0.08
        assert mask.sum() > 60
