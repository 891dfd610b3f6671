"""What is kept of a picture answers as the picture itself would, and damaged bytes answer nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.matching.pictures import Description, DescriptionInvalid, IndexInvalid, describe, examine, verify
from moderation.matching.pictures.index import SMALL
from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.traces import HASHED, NewWorks, Trace, split
from moderation.matching.pictures.words import Asked
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


def test_asked_features_are_read_back_as_they_were() -> None:
    asked = Asked.of(examine(make_picture(1)).features)
    again = Asked.from_bytes(asked.to_bytes())
    assert len(asked.to_bytes()) == 16 * len(asked.words)
    assert np.array_equal(again.probes(), asked.probes())
    assert np.array_equal(again.signatures, asked.signatures)


def test_damaged_traces_answer_nothing(works: dict[int, Description]) -> None:
    whole = Trace.of(examine(make_picture(1)))
    new = NewWorks(described=works)
    with pytest.raises(DescriptionInvalid):
        split([whole.hashes[:-1]])
    assert len(whole.hashes) == HASHED
    with pytest.raises(IndexInvalid):
        new.shown_in(Trace(whole.hashes, whole.words[:-2], whole.described), _unread)
    with pytest.raises(IndexInvalid):
        new.shown_in(Trace(whole.hashes, b"\xff" * 32, whole.described), _unread)
    with pytest.raises(DescriptionInvalid):
        new.shown_in(Trace(whole.hashes, whole.words, whole.described[:-1] + b"?"), _unread)
