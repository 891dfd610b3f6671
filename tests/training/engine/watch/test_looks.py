"""A picture's look holds its manner, whatever it shows, and changes with nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training.engine.watch.pictures import motif, saved
from training.engine.watch.looks import FLAT, look, look_of


def apart(left: Image.Image, right: Image.Image) -> float:
    return float(np.linalg.norm(look_of(left).manner - look_of(right).manner))


def test_pictures_of_one_style_are_nearer_than_pictures_of_two() -> None:
    """Eight motifs, plain and hatched: each hatched one is nearer to every other hatched one than to its plain self."""
    plain, hatched = [motif(n) for n in range(8)], [motif(n, styled=0.9) for n in range(8)]
    for place, picture in enumerate(hatched):
        own = apart(picture, plain[place])
        assert all(apart(picture, other) < own for other in hatched)


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (768, 512), (33, 90)])
def test_size_of_a_picture_hardly_matters_for_its_colours(size: tuple[int, int]) -> None:
    large = motif(3).resize((512, 512), Image.Resampling.LANCZOS)
    assert np.linalg.norm(look_of(large).manner[:64] - look_of(large.resize(size)).manner[:64]) < 0.15


def test_mirrored_picture_has_the_same_manner_and_another_layout() -> None:
    picture = motif(2)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert np.linalg.norm(look_of(picture).manner[:64] - look_of(mirrored).manner[:64]) < 0.1
    assert not np.allclose(look_of(picture).layout, look_of(mirrored).layout)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
@settings(deadline=None)
def test_single_tone_is_flat_and_its_look_is_finite(red: int, green: int, blue: int) -> None:
    seen = look_of(Image.new("RGB", (40, 40), (red, green, blue)))
    assert seen.flat
    assert np.isfinite(seen.manner).all()
    assert float(np.square(seen.manner[:64]).sum()) == pytest.approx(1)


def test_picture_with_anything_on_it_is_not_flat() -> None:
    picture = Image.new("RGB", (64, 64), (90, 90, 90))
    picture.paste((120, 120, 120), (10, 10, 40, 40))
    assert not look_of(picture).flat
    assert np.asarray(picture.convert("L")).std() > FLAT


def test_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    path = saved(motif(1), tmp_path / "a.png")
    before = look(path).manner
    assert np.allclose(look(path).manner, before)
    saved(motif(2, styled=0.9), path)
    assert not np.allclose(look(path).manner, before)


def test_file_that_is_no_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(OSError):
        look(tmp_path / "a.png")
