"""A work is recognised in altered copies of it, and in nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import drawn
from benchmarks.altered import written
from moderation.matching.pictures import DEFAULT, Description, Evidence, Thresholds, describe, examine, verify
from moderation.matching.pictures.fitting import Fit
from moderation.matching.pictures.verify import _Laid
from tests.moderation.matching.pictures.builders import as_jpeg, captioned, cropped, painting, sign

Change = Callable[[Image.Image], Image.Image]
CHANGES: dict[str, Change] = {
    "unchanged": lambda picture: picture,
    "jpeg": lambda picture: as_jpeg(picture, 30),
    "half size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "crop 10": lambda picture: cropped(picture, 0.10),
    "crop 20": lambda picture: cropped(picture, 0.20),
    "crop one corner": lambda picture: picture.crop((picture.width // 3, picture.height // 3, *picture.size)),
    "mirrored": ImageOps.mirror,
    "upside down": lambda picture: picture.rotate(180),
    "quarter turn": lambda picture: picture.rotate(90, expand=True),
    "mirrored quarter turn": lambda picture: ImageOps.mirror(picture).rotate(90, expand=True),
    "turned 10": lambda picture: picture.rotate(10),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.6),
    "grey": lambda picture: ImageOps.grayscale(picture),
    "caption": captioned,
    "repost": lambda picture: as_jpeg(captioned(cropped(picture, 0.10).resize((300, 250))), 40),
    "inside a collage": lambda picture: _collage(picture),
}


def _collage(picture: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (900, 700), "grey")
    for number in range(3):
        sheet.paste(painting(900 + number), (20 + 400 * (number % 2), 20 + 340 * (number // 2)))
    sheet.paste(picture.resize((380, 317)), (480, 360))
    return sheet


@pytest.fixture(scope="module")
def work() -> Description:
    return describe(painting(1, (720, 600)))


@pytest.mark.parametrize("change", CHANGES)
def test_altered_copy_is_matched_by_geometry(work: Description, change: str) -> None:
    verdict = verify(work, CHANGES[change](painting(1, (720, 600))))
    assert verdict.matched
    assert verdict.evidence is Evidence.GEOMETRY
    assert verdict.mirrored == change.startswith("mirrored")


@pytest.mark.parametrize("change", ["unchanged", "jpeg", "mirrored", "quarter turn", "caption", "repost"])
def test_other_picture_altered_likewise_is_not_matched(work: Description, change: str) -> None:
    verdict = verify(work, CHANGES[change](painting(2, (720, 600))))
    assert not verdict.matched
    assert verdict.evidence is Evidence.NONE
    assert verdict.transform is None


def test_caption_that_two_pictures_share_is_no_match() -> None:
    work = describe(captioned(painting(3, (600, 500))))
    verdict = verify(work, captioned(painting(4, (600, 500))))
    assert verdict.inliers >= Thresholds().inliers, "the captions do agree with each other"
    assert not verdict.matched


def test_transform_leads_from_the_pictures_pixels_to_the_works() -> None:
    picture = painting(5, (1400, 1000))
    copy = picture.crop((300, 200, 1100, 900)).resize((400, 350))
    verdict = verify(describe(picture), copy)
    assert verdict.transform is not None
    assert verdict.transform @ [0, 0, 1] == pytest.approx([300, 200], abs=6)
    assert verdict.transform @ [400, 350, 1] == pytest.approx([1100, 900], abs=6)


def test_transform_of_a_mirrored_picture_applies_to_it_mirrored_back() -> None:
    picture = painting(6, (700, 500))
    copy = ImageOps.mirror(picture.crop((100, 50, 600, 450)))
    verdict = verify(describe(picture), copy)
    assert verdict.mirrored
    assert verdict.transform is not None
    assert verdict.transform @ [0, 0, 1] == pytest.approx([100, 50], abs=4)


@pytest.mark.parametrize("change", ["unchanged", "jpeg", "half size", "mirrored", "quarter turn", "crop 10"])
def test_plain_sign_is_matched(change: str) -> None:
    assert verify(describe(sign(1)), CHANGES[change](sign(1))).matched


@pytest.mark.parametrize("seed", range(2, 10))
def test_other_plain_sign_is_not_matched(seed: int) -> None:
    assert not verify(describe(sign(1)), sign(seed)).matched


def test_verdict_is_the_same_each_time_and_after_storage(work: Description) -> None:
    query = examine(CHANGES["repost"](painting(1, (720, 600))))
    first, again = verify(work, query), verify(Description.from_bytes(work.to_bytes()), query)
    assert first.transform is not None
    assert np.array_equal(first.transform, again.transform)  # type: ignore[arg-type]
    assert (first.inliers, first.agreement, first.pdq) == (again.inliers, again.agreement, again.pdq)


@pytest.mark.parametrize(
    ("inliers", "stretch", "agreement", "enough"),
    [
        (4, 1.0, 0.5, True),
        (4, 1.19, 0.5, True),
        (4, 1.45, 0.59, False),  # two grids of windows that share four places
        (4, 1.45, 0.75, True),
        (7, 1.45, 0.74, False),
        (8, 1.45, 0.5, True),
        (3, 1.0, 0.9, False),
        (8, 1.0, 0.49, False),
    ],
)
def test_few_places_have_to_agree_on_a_map_that_copying_makes(
    inliers: int, stretch: float, agreement: float, enough: bool
) -> None:
    fit = Fit(np.array([[stretch, 0.0, 3.0], [0.0, 1.0, 5.0]]), _places(inliers), shared=0.2, coverage=0.13)
    assert fit.stretch == pytest.approx(stretch)
    assert _Laid(fit, agreement, elsewhere=0.0, mirrored=False).suffices(DEFAULT) is enough


def _places(count: int) -> NDArray[np.float32]:
    return np.zeros((count, 2), np.float32)


@pytest.mark.parametrize(
    ("inliers", "shared", "agreement", "elsewhere", "enough"),
    [
        (8, 0.34, 0.75, 0.5, True),
        (7, 0.34, 0.75, 0.5, False),
        (8, 0.34, 0.74, 0.5, False),
        (8, 0.34, 0.75, 0.49, False),  # a caption agrees, the picture around it does not
        (20, 0.27, 0.77, 1.0, False),  # only a strip in common, and a caption is all that lies in it
    ],
)
def test_features_close_together_have_to_be_borne_out_by_the_rest(
    inliers: int, shared: float, agreement: float, elsewhere: float, enough: bool
) -> None:
    fit = Fit(np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 5.0]]), _places(inliers), shared, coverage=0.04)
    assert _Laid(fit, agreement, elsewhere, mirrored=False).suffices(DEFAULT) is enough


def test_caption_is_no_match_where_it_is_all_that_a_picture_has() -> None:
    """A plain picture laid on the lowest quarter of a faint one: the caption of both is nearly all that lies there."""
    plain = drawn.plain(5_000_687)
    plain.thumbnail((400, 400))
    verdict = verify(describe(written(drawn.textured(100_691), 0)), written(plain, 0))
    assert verdict.inliers >= 2 * DEFAULT.inliers, "the captions do agree with each other"
    assert not verdict.matched
