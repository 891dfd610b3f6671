"""Near-duplicates: copies are found, look-alikes are not."""

import io

import pytest
from PIL import Image, ImageEnhance

from tests.factories.optout import make_picture
from training.reporting.near import Look, are_near, near_groups
from training.reporting.pixels import prepare
from training.tinybase.scenes import POSITIONS, SHAPES, SIZES, Scene, Thing, draw


def look(picture: Image.Image) -> Look:
    made = prepare(picture, side=2048)
    return Look(int(made.phash, 16), made.colours)


def recompressed(picture: Image.Image) -> Image.Image:
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=40)
    return Image.open(made)


COPIES = {
    "recompressed": recompressed,
    "smaller": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "cropped a little": lambda picture: picture.crop((3, 3, picture.width - 3, picture.height - 3)),
    "a little brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.06),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_copy_is_near(name: str, seed: int) -> None:
    picture = make_picture(seed, (512, 384))
    assert are_near(look(picture), look(COPIES[name](picture)))


def test_other_pictures_are_not_near() -> None:
    looks = [look(make_picture(seed)) for seed in range(1, 13)]
    assert near_groups(looks) == [None] * 12


def drawn(shape: str, colour: str, ground: str) -> Image.Image:
    thing = Thing(shape, colour, "", "in the centre", POSITIONS["in the centre"], SIZES[""])
    return Image.fromarray(draw(Scene(ground, (thing,), "")))


def test_same_outline_in_other_colours_is_another_picture() -> None:
    """pHash alone sees the outline and nothing else."""
    one, other = look(drawn("heart", "red", "grey")), look(drawn("heart", "blue", "grey"))
    assert (one.phash ^ other.phash).bit_count() <= 8
    assert not are_near(one, other)


def test_groups_join_over_neighbours_and_count_from_one() -> None:
    far = Look(0xFFFFFFFFFFFFFFFF, bytes([200] * 192))
    chain = [Look(0, bytes([value] * 192)) for value in (0, 12, 24)]  # the first and the last are no neighbours
    assert near_groups([far, *chain]) == [None, 1, 1, 1]
    assert near_groups([]) == []


def test_shapes_of_the_tiny_base_are_told_apart() -> None:
    looks = [look(drawn(shape, colour, "grey")) for shape in SHAPES for colour in ("red", "blue")]
    groups = near_groups(looks)
    assert sum(group is not None for group in groups) == 0
