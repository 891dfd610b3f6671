"""Searching fingerprints: exactly what a plain comparison with all of them finds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from moderation.matching.fingerprints import Fingerprint, FingerprintError, FingerprintIndex

COUNT = 5_000


def units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Two thousand near one direction, the others anywhere; among them very uneven ones."""
    dice = np.random.default_rng(3)
    found = dice.standard_normal((COUNT, 256), np.float32)
    found[:2000] = units(found[:1])[0] + np.linspace(0, 3, 2000, dtype=np.float32)[:, None] * units(found[:2000])
    found[2000:2010] = 0.01 * found[2000:2010] + 5 * np.eye(10, 256, dtype=np.float32)
    return units(found)


@pytest.fixture(scope="module")
def index(vectors: NDArray[np.float32]) -> FingerprintIndex:
    index = FingerprintIndex((n, Fingerprint(1, vector, 1)) for n, vector in enumerate(vectors[:100]))
    index.add_vectors(np.arange(100, COUNT), vectors[100:])
    return index


@pytest.mark.parametrize("minimum", [0.95, 0.6, 0.3])
@pytest.mark.parametrize("query", [0, 700, 2003, 3000])
def test_search_finds_what_comparing_with_all_finds(
    index: FingerprintIndex, vectors: NDArray[np.float32], query: int, minimum: float
) -> None:
    cosines = vectors @ vectors[query]
    close = set(np.flatnonzero(np.abs(cosines - minimum) < 1e-3).tolist())  # within half precision of the threshold
    expected = set(np.flatnonzero(cosines >= minimum).tolist())
    found = index.search(Fingerprint(1, vectors[query], 1), minimum=minimum, most=COUNT)
    assert {each.id for each in found} - close == expected - close
    assert [each.similarity for each in found] == sorted((each.similarity for each in found), reverse=True)
    assert found[0].similarity == pytest.approx(1, abs=1e-3)


def test_no_more_than_asked_for_are_given(index: FingerprintIndex, vectors: NDArray[np.float32]) -> None:
    found = index.search(Fingerprint(1, vectors[0], 1), minimum=0.3, most=7)
    cosines = vectors @ vectors[0]
    assert len(found) == 7
    assert min(each.similarity for each in found) == pytest.approx(np.sort(cosines)[-7], abs=1e-3)


def test_added_entry_is_found_at_once(vectors: NDArray[np.float32]) -> None:
    index = FingerprintIndex()
    assert index.search(Fingerprint(1, vectors[0], 1), minimum=0.5) == []
    index.add(77, Fingerprint(1, vectors[0], 1))
    assert [each.id for each in index.search(Fingerprint(1, vectors[0], 1), minimum=0.5)] == [77]
    assert len(index) == 1


def test_other_version_refused(index: FingerprintIndex, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(FingerprintError, match="version"):
        index.add(1, Fingerprint(2, vectors[0], 1))
    with pytest.raises(FingerprintError, match="version"):
        index.search(Fingerprint(2, vectors[0], 1), minimum=0.5)


def test_removed_entry_is_not_found(vectors: NDArray[np.float32]) -> None:
    index = FingerprintIndex((n, Fingerprint(1, vector, 1)) for n, vector in enumerate(vectors[:300]))
    index.remove(5)
    found = index.search(Fingerprint(1, vectors[5], 1), minimum=0.3, most=10)
    expected = np.argsort(-(vectors[:300] @ vectors[5]))[:11]
    assert len(index) == 299
    assert 5 not in {each.id for each in found}
    assert found[-1].similarity == pytest.approx(float(vectors[expected[-1]] @ vectors[5]), abs=1e-3)


def test_many_copies_are_cut_at_what_was_asked_for(vectors: NDArray[np.float32]) -> None:
    index = FingerprintIndex()
    index.add_vectors(np.arange(9_000), np.repeat(vectors[:1], 9_000, axis=0))
    index.add(9_999, Fingerprint(1, vectors[3000], 1))
    found = index.search(Fingerprint(1, vectors[0], 1), minimum=0.6, most=5)
    assert len(found) == 5
    assert min(each.similarity for each in found) == pytest.approx(1, abs=1e-3)
