"""The judge on pictures that were drawn, of which it must get every one right."""

from dataclasses import astuple

import numpy as np
import pytest

from training.tinybase.judge import Adherence, Wanted, adherence, sample_wanted, see, table
from training.tinybase.scenes import COLOURS, POSITIONS, SHAPES, SIZES, draw


def _drawn(wanted: list[Wanted]) -> np.ndarray:
    return np.stack([draw(request.scene) for request in wanted])


def test_every_drawn_picture_is_judged_right() -> None:
    wanted = sample_wanted(np.random.default_rng(11), 96)
    found = adherence(_drawn(wanted), wanted)
    assert (found.background, found.colour, found.shape, found.position, found.everything) == (1, 1, 1, 1, 1)
    assert found.overlap > 0.85


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_every_size_is_told_apart(shape: str, size: str) -> None:
    seen = see(draw(Wanted("white", "blue", shape, size, "in the centre").scene))
    assert seen is not None
    assert seen.shape == shape


@pytest.mark.parametrize("position", POSITIONS)
def test_every_place_is_told_apart(position: str) -> None:
    seen = see(draw(Wanted("black", "pink", "heart", "", position).scene))
    assert seen is not None
    assert seen.position == position


def test_every_pair_of_colours_is_told_apart() -> None:
    pairs = [(ground, colour) for ground in COLOURS for colour in COLOURS if ground != colour]
    wanted = [Wanted(ground, colour, "square", "large", "in the centre") for ground, colour in pairs]
    found = adherence(_drawn(wanted), wanted)
    assert (found.background, found.colour) == (1, 1)


def test_wrong_attribute_costs_exactly_itself() -> None:
    wanted = Wanted("white", "blue", "star", "large", "in the centre")
    drawn = _drawn([Wanted("white", "red", "star", "large", "in the centre")])
    assert astuple(adherence(drawn, [wanted]))[:5] == (1, 0, 1, 1, 0)


def test_requests_keep_away_from_what_is_to_be_avoided() -> None:
    rng = np.random.default_rng(2)
    wanted = sample_wanted(
        rng, 300, avoid_backgrounds={"red"}, avoid_colours={"blue"}, avoid_pairs={("star", "pink")}, easy=True
    )
    assert not {"red"} & {request.background for request in wanted}
    assert not {"blue"} & {request.colour for request in wanted}
    assert ("star", "pink") not in {(request.shape, request.colour) for request in wanted}
    assert "small" not in {request.size for request in wanted}
    assert {request.position for request in wanted} == {name for name, at in POSITIONS.items() if 0.5 in at}


def test_table_has_a_line_for_each_row() -> None:
    assert table({"the base": Adherence(1, 0.5, 0, 0, 0, 0.25)}).splitlines()[1].split() == [
        "the", "base", "1.000", "0.500", "0.000", "0.000", "0.000", "0.250",
    ]  # fmt: skip
