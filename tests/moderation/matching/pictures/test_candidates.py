"""The index of the register brings up the works that altered copies are of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import ImageOps

from moderation.matching.pictures import Description, PictureIndex, describe, examine
from moderation.matching.pictures.candidates import MOST
from tests.moderation.matching.pictures.builders import as_jpeg, captioned, cropped, painting, sign


@pytest.fixture(scope="module")
def works() -> dict[int, Description]:
    paintings = {100 + seed: describe(painting(seed)) for seed in range(30)}
    return paintings | {200 + seed: describe(sign(seed)) for seed in range(5)}


@pytest.fixture(scope="module")
def index(works: dict[int, Description]) -> PictureIndex:
    return PictureIndex.build(works.items())


@pytest.mark.parametrize("seed", [0, 7, 29])
def test_turned_copy_is_a_candidate_by_its_details(index: PictureIndex, seed: int) -> None:
    first = index.candidates(examine(painting(seed).rotate(12)))[0]
    assert (first.owner, first.distance) == (100 + seed, None)
    assert first.votes > 10


def test_mirrored_repost_is_the_first_candidate(index: PictureIndex) -> None:
    copy = ImageOps.mirror(as_jpeg(captioned(cropped(painting(5), 0.1)), 40))
    assert index.candidates(examine(copy))[0].owner == 105


def test_plain_copy_is_a_candidate_by_its_hash(index: PictureIndex) -> None:
    found = index.candidates(examine(as_jpeg(ImageOps.flip(sign(3)), 50)))
    assert next(candidate.distance for candidate in found if candidate.owner == 203) in range(5)


def test_candidates_are_no_more_than_asked_for(index: PictureIndex) -> None:
    assert len(index.candidates(examine(painting(1)), most=1)) == 1
    assert len(index.candidates(examine(painting(99)))) <= MOST


def test_added_work_is_found_without_rebuilding(works: dict[int, Description]) -> None:
    index = PictureIndex.build(list(works.items())[:10])
    for owner, work in list(works.items())[10:14]:
        index.add(owner, work)
    for seed in (3, 10, 13):
        assert index.candidates(examine(painting(seed).rotate(5)))[0].owner == 100 + seed


def test_saved_index_brings_up_the_same_candidates(index: PictureIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "register")
    query = examine(captioned(painting(8)))
    assert PictureIndex.load(tmp_path / "register").candidates(query) == index.candidates(query) != []


def test_empty_register_has_no_candidates() -> None:
    index = PictureIndex.build([])
    assert index.candidates(examine(painting(1))) == []
    index.add(1, describe(painting(1)))
    assert [candidate.owner for candidate in index.candidates(examine(painting(1)))] == [1]


def test_importing_the_package_loads_neither_opencv_nor_pdqhash() -> None:
    check = "import sys, moderation.matching.pictures; print({'cv2', 'pdqhash', 'django'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "set()"
