"""What is stored of a work is small, is read back as it was, and is refused when it is anything else."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from moderation.matching.pictures import Description, DescriptionInvalid, PictureUnusable, describe, examine
from tests.moderation.matching.pictures.builders import painting, sign


@pytest.fixture(scope="module")
def work() -> Description:
    return describe(painting(1, (900, 700)))


def test_description_is_read_back_as_it_was(work: Description) -> None:
    stored = work.to_bytes()
    again = Description.from_bytes(stored)
    assert again.size == (900, 700)
    assert again.to_bytes() == stored
    for name in ("places", "angles", "sizes", "codes"):
        assert np.array_equal(getattr(again.features, name), getattr(work.features, name)), name
    assert again.features.frame == work.features.frame
    assert np.array_equal(again.thumb, work.thumb)


def test_description_is_bounded(work: Description) -> None:
    assert len(work.features) == 500
    assert len(work.to_bytes()) <= 40_000


def test_description_of_the_same_picture_is_the_same_bytes(work: Description) -> None:
    assert describe(painting(1, (900, 700))).to_bytes() == work.to_bytes()


def test_picture_without_features_is_described_by_its_hashes() -> None:
    wash = Image.linear_gradient("L").resize((300, 200))
    stored = describe(wash).to_bytes()
    assert len(Description.from_bytes(stored).features) == 0


@pytest.mark.parametrize("cut", [0, 3, 20, 100, 39_000])
def test_truncated_bytes_are_refused(work: Description, cut: int) -> None:
    with pytest.raises(DescriptionInvalid):
        Description.from_bytes(work.to_bytes()[:cut])


@pytest.mark.parametrize("place", [0, 4, 5, 6, 8, 12, 40, 5000, -1])
def test_changed_byte_is_refused(work: Description, place: int) -> None:
    stored = bytearray(work.to_bytes())
    stored[place] ^= 0x11
    with pytest.raises(DescriptionInvalid):
        Description.from_bytes(bytes(stored))


def test_announced_counts_that_do_not_fit_are_refused_even_with_a_right_checksum(work: Description) -> None:
    stored = bytearray(work.to_bytes()[:-4])
    stored[6:8] = struct.pack("<H", 65535)
    with pytest.raises(DescriptionInvalid):
        Description.from_bytes(bytes(stored) + struct.pack("<I", zlib.crc32(bytes(stored))))


@pytest.mark.parametrize("size", [(23, 400), (400, 5), (1, 1)])
def test_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(PictureUnusable, match="larger copy"):
        describe(Image.new("RGB", size))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
def test_picture_of_one_tone_is_refused(mode: str) -> None:
    with pytest.raises(PictureUnusable, match="one single tone"):
        examine(Image.new(mode, (200, 200)))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "YCbCr", "I;16"])
def test_every_mode_of_picture_is_described(mode: str) -> None:
    picture = painting(2)
    converted = (
        picture.convert("I").point(lambda level: level * 200).convert("I;16")
        if mode == "I;16"
        else picture.convert(mode)
    )
    apart = np.bitwise_count(describe(converted).phashes[0] ^ describe(picture).phashes[0]).sum()
    assert apart <= 6


def test_exif_orientation_is_followed() -> None:
    picture = painting(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    turned = picture.rotate(90, expand=True)
    turned.getexif()[0x0112] = 6
    assert examine(turned).size == picture.size
    assert np.array_equal(examine(turned).phashes[0], examine(picture).phashes[0])


def test_transparent_ground_counts_as_white() -> None:
    drawing = sign(4).convert("RGBA")
    ground = drawing.getpixel((0, 0))
    pixels = np.asarray(drawing).copy()
    pixels[(pixels == ground).all(axis=2)] = (0, 0, 0, 0)
    on_white = sign(4).convert("RGB")
    levels = np.asarray(on_white).copy()
    levels[(levels == ground[:3]).all(axis=2)] = 255
    assert np.array_equal(examine(Image.fromarray(pixels)).phashes, examine(Image.fromarray(levels)).phashes)
