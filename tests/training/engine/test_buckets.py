"""Buckets: sizes of one area, the nearest for a picture, and a crop that loses as little as it can."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.buckets import WIDEST, Bucket, bucket_sizes, fit, nearest


@settings(deadline=None)
@given(st.integers(1, 2048), st.sampled_from([8, 16, 32, 64]))
def test_bucket_has_no_more_area_than_the_square_and_fitting_sides(resolution: int, step: int) -> None:
    if resolution < step:
        with pytest.raises(ValueError, match="no square"):
            bucket_sizes(resolution, step, many=True)
        return
    sizes = bucket_sizes(resolution, step, many=True)
    assert all(one.width % step == one.height % step == 0 for one in sizes)
    assert all(one.width * one.height <= resolution**2 for one in sizes)
    assert all(1 / WIDEST <= one.ratio <= WIDEST for one in sizes)
    assert {Bucket(one.height, one.width) for one in sizes} == set(sizes)
    assert bucket_sizes(resolution, step, many=False)[0] in sizes


def test_buckets_of_sdxl_are_those_of_the_field() -> None:
    sizes = bucket_sizes(1024, 64, many=True)
    assert {Bucket(1024, 1024), Bucket(1152, 896), Bucket(832, 1216), Bucket(1344, 768)} <= set(sizes)


@settings(deadline=None)
@given(st.integers(16, 4000), st.integers(16, 4000))
def test_picture_covers_its_bucket_and_is_cropped_around_its_middle(width: int, height: int) -> None:
    sizes = bucket_sizes(512, 64, many=True)
    found = fit(width, height, nearest(width, height, sizes))
    across, down = found.scaled.width - found.bucket.width, found.scaled.height - found.bucket.height
    assert across >= 0
    assert down >= 0
    assert (found.left, found.top) == (across // 2, down // 2)
    assert min(across, down) <= 1  # only one side is cropped, but for rounding
    if 1 / WIDEST <= width / height <= WIDEST:
        # Worst is a picture of 2 : 1 in 640 × 384, which loses a sixth; a pixel may be lost to rounding.
        assert max((across - 1) / found.scaled.width, (down - 1) / found.scaled.height) <= 1 / 6


def test_picture_of_a_bucket_s_own_shape_loses_nothing() -> None:
    found = fit(1152, 896, nearest(1152, 896, bucket_sizes(1024, 64, many=True)))
    assert (found.scaled, found.left, found.top) == (Bucket(1152, 896), 0, 0)
