"""Thumbnails laid over each other agree by their details, not by their tone, and not by a caption alone."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from moderation.matching.pictures.overlay import SIDE, agreement, mapped, thumbnail, window
from moderation.matching.pictures.raster import Grey, grey
from tests.moderation.matching.pictures.builders import captioned, cropped, painting, sign

SAME = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def thumb(picture: Image.Image) -> Grey:
    return thumbnail(grey(picture))


def test_picture_agrees_with_itself_whatever_its_brightness() -> None:
    darker = ImageEnhance.Contrast(ImageEnhance.Brightness(painting(1)).enhance(0.7)).enhance(0.6)
    assert agreement(thumb(painting(1)), thumb(painting(1))) == pytest.approx(1)
    assert agreement(thumb(painting(1)), thumb(darker)) > 0.97


def test_negative_disagrees() -> None:
    assert agreement(thumb(painting(1)), 255 - thumb(painting(1))) < -0.95


@pytest.mark.parametrize("seed", range(2, 8))
def test_other_pictures_do_not_agree(seed: int) -> None:
    assert abs(agreement(thumb(painting(1)), thumb(painting(seed)))) < 0.3


def test_caption_hides_no_agreement_and_makes_none() -> None:
    assert agreement(thumb(painting(1)), thumb(captioned(painting(1)))) > 0.6
    assert agreement(thumb(captioned(painting(1))), thumb(captioned(painting(2)))) < 0.5


def test_gradients_have_nothing_to_agree_by() -> None:
    wash = Image.linear_gradient("L").resize((300, 200))
    assert agreement(thumb(wash), thumb(wash)) == 0


def test_too_few_pixels_in_common_are_no_agreement() -> None:
    shown = np.zeros((SIDE, SIDE), bool)
    shown[:10, :10] = True
    assert agreement(thumb(painting(1)), thumb(painting(1)), shown) == 0


def test_mapped_by_the_identity_is_the_thumbnail() -> None:
    raster = grey(painting(1))
    laid, shown = mapped(raster, SAME, (raster.shape[1], raster.shape[0]))
    assert shown.all()
    assert agreement(thumbnail(raster), laid) > 0.97


def test_mapped_crop_lies_on_its_part_of_the_work() -> None:
    work, part = grey(painting(1)), grey(painting(1).crop((90, 60, 300, 260)))
    laid, shown = mapped(part, np.array([[1.0, 0, 90], [0, 1.0, 60]]), (work.shape[1], work.shape[0]))
    assert shown.mean() == pytest.approx(210 * 200 / (360 * 300), abs=0.04)
    assert agreement(thumbnail(work), laid, shown) > 0.9
    elsewhere, shown = mapped(part, np.array([[1.0, 0, 60], [0, 1.0, 90]]), (work.shape[1], work.shape[0]))
    assert agreement(thumbnail(work), elsewhere, shown) < 0.4


def test_mapped_from_another_size_is_as_sharp_as_the_thumbnail() -> None:
    work = painting(1, (1280, 1280))
    raster = np.asarray(work.convert("L"))
    laid, shown = mapped(raster, SAME / 2, (640, 640))
    assert shown.all()
    assert agreement(thumb(work), laid) > 0.95


def test_window_of_the_thumbnail_is_near_the_thumbnail_of_the_crop() -> None:
    assert agreement(window(thumb(sign(1)), (0.1, 0.1, 0.9, 0.9)), thumb(cropped(sign(1), 0.1))) > 0.8
