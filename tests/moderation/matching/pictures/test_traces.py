"""What is kept of a picture answers as the picture itself would, and damaged bytes answer nothing."""

from __future__ import annotations

import zlib
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.matching.pictures import Description, DescriptionInvalid, Query, Thresholds, describe, examine, verify
from moderation.matching.pictures.index import SMALL
from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.traces import HASHED, NewWorks, Trace, split
from moderation.matching.pictures.words import ASKED
from tests.factories.optout import make_picture


def _copies(picture: Image.Image) -> list[Image.Image]:
    width, height = picture.size
    return [
        picture,
        ImageOps.mirror(picture),
        picture.transpose(Image.Transpose.ROTATE_90),
        picture.crop((width // 8, height // 8, width * 7 // 8, height * 7 // 8)),
        picture.resize((width // 2, height // 2)),
    ]


@pytest.fixture(scope="module")
def works() -> dict[int, Description]:
    return {seed: describe(make_picture(seed)) for seed in range(4)}


def _unread() -> Grey:
    raise AssertionError("the picture was read")


@pytest.mark.slow
def test_trace_finds_what_the_register_would_find(works: dict[int, Description]) -> None:
    for owner, work in works.items():
        new = NewWorks(described={owner: work})
        for seed in range(3):
            for copy in _copies(make_picture(seed)):
                query = examine(copy)
                shown = new.shown_in(Trace.of(query), lambda query=query: query.raster)  # type: ignore[misc]
                assert shown == verify(work, query).matched == (seed == owner)


def test_picture_without_likeness_is_not_read(works: dict[int, Description]) -> None:
    traces = [Trace.of(examine(make_picture(seed))) for seed in range(20, 26)]
    assert not any(NewWorks(described=works).shown_in(trace, _unread) for trace in traces)


def test_removed_picture_is_compared_by_its_hash_as_well(works: dict[int, Description]) -> None:
    query = examine(make_picture(1).resize((160, 120)))
    assert NewWorks(blocked={7: works[1]}).shown_in(Trace.of(query), lambda: query.raster)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "flips", "near"), [("phash", 2, True), ("phash", 3, False), ("pdq", 31, True), ("pdq", 32, False)]
)
def test_bare_hash_is_found_within_its_threshold_alone(many: bool, algorithm: str, flips: int, near: bool) -> None:
    queries = [examine(make_picture(seed)) for seed in range(3)]
    hashes = getattr(queries[1], f"{algorithm}es" if algorithm == "phash" else f"{algorithm}s")
    bits = np.unpackbits(hashes[4])
    bits[:flips] ^= 1
    others = np.random.default_rng(3).integers(0, 256, (SMALL if many else 3, hashes.shape[1]), dtype=np.uint8)
    listed = np.concatenate([others, np.packbits(bits)[None]])
    new = NewWorks(**{"phashes" if algorithm == "phash" else "pdqs": listed})
    stored = [Trace.of(query).hashes for query in queries]
    assert new.listed_in([stored[0], b"", stored[1], stored[2]]) == ({2} if near else set())


def test_trace_of_nothing_shows_nothing(works: dict[int, Description]) -> None:
    assert not NewWorks(described=works).shown_in(Trace(), _unread)
    assert NewWorks(described=works).listed_in([b""]) == set()
    assert not NewWorks().shown_in(Trace.of(examine(make_picture(1))), _unread)


def test_picture_of_which_a_part_fits_is_read_and_all_of_its_features_are_compared(
    works: dict[int, Description],
) -> None:
    query = examine(ImageOps.mirror(make_picture(1)))
    few = replace(query, features=query.features.first(60))
    reads: list[Query] = []

    def read() -> Grey:
        reads.append(query)
        return query.raster

    fewest, most = (verify(works[1], one).inliers for one in (few, query))
    assert 4 <= fewest < most
    demanding = Thresholds(inliers=most, near=-1, pdq=-1)  # which the kept features alone do not meet
    assert not verify(works[1], Trace.of(few).query(lambda: query.raster), demanding).matched
    assert NewWorks(described={1: works[1]}, thresholds=demanding).shown_in(Trace.of(few), read)
    assert reads


def test_trace_of_the_old_form_becomes_the_new_one() -> None:
    grain = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    query = examine(Image.fromarray(grain).resize((640, 480), Image.Resampling.BICUBIC))
    assert len(query.features) > ASKED
    old = Description(query.size, query.phashes, query.pdqs, query.thumbs[0], query.features).to_bytes()
    migration = import_module("moderation.migrations.0009_smaller_traces")
    trace = Trace.of(query)
    assert migration.smaller(old) == trace.described
    assert len(trace.described) < 0.45 * len(old)
    assert migration.smaller(old[:-5]) == migration.smaller(b"PICT") == b""
    assert len(trace.query(_unread).features) == ASKED


def test_damaged_traces_answer_nothing(works: dict[int, Description]) -> None:
    whole = Trace.of(examine(make_picture(1)))
    new = NewWorks(described=works)
    with pytest.raises(DescriptionInvalid):
        split([whole.hashes[:-1]])
    assert len(whole.hashes) == HASHED
    altered = bytearray(zlib.decompress(whole.described))
    altered[100] ^= 1
    for damaged in (b"", whole.described[:-1], whole.described[:-1] + b"?", zlib.compress(altered)):
        with pytest.raises(DescriptionInvalid):
            new.shown_in(Trace(whole.hashes, damaged), _unread)
