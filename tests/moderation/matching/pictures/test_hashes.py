"""Hashes are those that lists are exchanged in, and orientations are those of the picture turned beforehand."""

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image, ImageOps

from moderation.matching.pictures.hashes import (
    distances,
    from_hex,
    orientation_hashes,
    to_hex,
    window_hashes,
)
from moderation.matching.pictures.views import WINDOWS
from tests.moderation.matching.pictures.builders import cropped, painting, sign


@pytest.mark.parametrize("seed", range(6))
def test_phash_of_the_whole_picture_is_that_of_imagehash(seed: int) -> None:
    picture = painting(seed, (200 + 37 * seed, 310))
    assert to_hex(window_hashes(picture)[0])[0] == str(imagehash.phash(picture))


@pytest.mark.parametrize("seed", range(6))
def test_pdq_of_the_whole_picture_is_near_that_of_the_full_resolution(seed: int) -> None:
    picture = painting(seed, (512, 512))
    full = np.packbits(pdqhash.compute(np.asarray(picture))[0])
    assert np.bitwise_count(full ^ window_hashes(picture)[1][0]).sum() <= 16


def test_orientations_hold_the_hash_of_every_turn_and_mirroring() -> None:
    picture = painting(3)
    phashes, pdqs = orientation_hashes(picture)
    for turns in range(4):
        for view in (picture.rotate(90 * turns, expand=True), ImageOps.mirror(picture.rotate(90 * turns, expand=True))):
            turned_phash, turned_pdq = window_hashes(view)
            assert distances(turned_phash[:1], phashes).min() <= 2
            assert distances(turned_pdq[:1], pdqs).min() <= 8


@pytest.mark.parametrize("window", range(len(WINDOWS)))
def test_windows_hold_the_hash_of_the_cropped_picture(window: int) -> None:
    picture = painting(4, (600, 400))
    crop = cropped(picture, WINDOWS[window][0])
    phashes, pdqs = window_hashes(picture)
    assert distances(phashes[window : window + 1], orientation_hashes(crop)[0]).min() <= 2
    assert distances(pdqs[window : window + 1], orientation_hashes(crop)[1]).min() <= 12


def test_different_pictures_have_distant_hashes() -> None:
    phashes, pdqs = window_hashes(painting(1))
    others = orientation_hashes(painting(2))
    assert distances(phashes, others[0]).min() > 12
    assert distances(pdqs, others[1]).min() > 60


def test_hex_form_is_read_back() -> None:
    phashes, pdqs = window_hashes(sign(1))
    assert np.array_equal(from_hex(to_hex(phashes)), phashes)
    assert np.array_equal(from_hex(to_hex(pdqs)), pdqs)


@pytest.mark.parametrize("texts", [["00"], ["0" * 16, "0" * 64], ["0" * 15 + "g"], [], [""], ["0" * 17]])
def test_text_that_is_no_hash_is_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError):
        from_hex(texts)


def test_large_picture_keeps_its_hash_when_reduced() -> None:
    picture = painting(5, (2000, 1500))
    small = picture.resize((500, 375), Image.Resampling.LANCZOS)
    assert distances(window_hashes(picture)[0][:1], orientation_hashes(small)[0]).min() <= 2
