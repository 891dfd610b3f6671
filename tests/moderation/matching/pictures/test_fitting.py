"""Features of a copy are brought onto those of its original by the map that made the copy, and by no other."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.matching.pictures.fitting import Fit, alike, fit_features
from moderation.matching.pictures.keypoints import Features, find
from moderation.matching.pictures.raster import grey
from tests.moderation.matching.pictures.builders import painting


def features(picture: Image.Image) -> Features:
    return find(grey(picture), 500)


@pytest.fixture(scope="module")
def work() -> Features:
    return features(painting(1))


def fitted(work: Features, picture: Image.Image) -> Fit:
    fit = fit_features(work, features(picture))
    assert fit is not None
    return fit


def test_copy_lies_on_its_original(work: Features) -> None:
    fit = fitted(work, painting(1))
    assert fit.transform == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1e-6)
    assert fit.inliers > 0.6 * len(work)
    assert fit.coverage > 0.7


def test_turn_is_recovered(work: Features) -> None:
    (a, b, _), (c, d, _) = fitted(work, painting(1).rotate(30)).transform
    assert np.degrees(np.arctan2(c - b, a + d)) == pytest.approx(30, abs=0.5)


def test_squeezed_copy_is_fitted_by_an_affine_map(work: Features) -> None:
    (a, _, _), (_, d, _) = fitted(work, painting(1).resize((324, 300))).transform
    assert (a, d) == pytest.approx((360 / 324, 1), abs=0.01)


def test_mirrored_features_are_those_of_the_mirrored_picture(work: Features) -> None:
    assert fit_features(work, features(ImageOps.mirror(painting(1)))) is None
    fit = fit_features(work, features(ImageOps.mirror(painting(1))).mirrored())
    assert fit is not None
    assert fit.inliers > 0.5 * len(work)
    assert fit.transform == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1.0)


@pytest.mark.parametrize("seed", range(2, 10))
def test_other_picture_has_hardly_any_feature_in_place(work: Features, seed: int) -> None:
    fit = fit_features(work, features(painting(seed)))
    assert fit is None or fit.inliers <= 6


def test_picture_without_features_has_no_fit(work: Features) -> None:
    none = features(Image.linear_gradient("L").resize((300, 200)))
    assert len(none) == 0
    assert fit_features(work, none) is None
    assert fit_features(none, work) is None
    assert len(none.mirrored()) == len(none.first(5)) == 0


def test_alike_pairs_each_feature_once(work: Features) -> None:
    left, right = alike(work, features(painting(1).rotate(3)))
    assert len(set(left.tolist())) == len(left) == len(set(right.tolist()))
