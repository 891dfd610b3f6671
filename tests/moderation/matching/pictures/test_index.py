"""The search is exact: whatever the index does, it finds what comparing with every hash finds."""

from pathlib import Path

import numpy as np
import pytest

from moderation.matching.pictures.buckets import IndexInvalid
from moderation.matching.pictures.index import SMALL, HashIndex

Hashes = np.ndarray


def random_hashes(count: int, width: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, width), np.uint8)


def flipped(hashes: Hashes, bits: int, seed: int) -> Hashes:
    """Each hash with so many of its bits inverted."""
    dice = np.random.default_rng(seed)
    spread = np.unpackbits(hashes, axis=1)
    for row in spread:
        row[dice.choice(len(row), bits, replace=False)] ^= 1
    return np.packbits(spread, axis=1)


def by_hand(hashes: Hashes, owners: np.ndarray, queries: Hashes, radius: int) -> list[tuple[int, int, int]]:
    apart = np.bitwise_count(queries[:, None] ^ hashes[None]).sum(axis=2)
    return sorted((int(q), int(apart[q, row]), int(owners[row])) for q, row in np.argwhere(apart <= radius))


def found(index: HashIndex, queries: Hashes, radius: int) -> list[tuple[int, int, int]]:
    hits = index.search(queries, radius)
    return list(zip(hits.queries.tolist(), hits.distances.tolist(), hits.owners.tolist(), strict=True))


@pytest.mark.parametrize("radius", [0, 1, 3, 4, 7, 9, 11, 12, 20])
def test_search_of_64_bits_finds_exactly_what_comparing_with_all_finds(radius: int) -> None:
    hashes, owners = random_hashes(SMALL + 500, 8, 1), np.arange(SMALL + 500, dtype=np.int64) // 3
    queries = np.concatenate([flipped(hashes[at : at + 1], bits, at) for at, bits in enumerate(range(0, 16))])
    expected = by_hand(hashes, owners, queries, radius)
    assert found(HashIndex.build(hashes, owners), queries, radius) == expected
    assert len(expected) >= min(radius, 15) + 1


@pytest.mark.parametrize("radius", [0, 15, 16, 31, 47, 48])
def test_search_of_256_bits_finds_exactly_what_comparing_with_all_finds(radius: int) -> None:
    hashes, owners = random_hashes(SMALL + 100, 32, 2), np.arange(SMALL + 100, dtype=np.int64)
    queries = np.concatenate([flipped(hashes[at : at + 1], bits, at) for at, bits in enumerate(range(0, 52, 3))])
    expected = by_hand(hashes, owners, queries, radius)
    assert found(HashIndex.build(hashes, owners), queries, radius) == expected
    assert len(expected) >= radius // 3 + 1


def test_search_of_crowded_hashes_misses_none() -> None:
    """Many hashes that differ in few bits fill the same buckets and are found through several parts."""
    hashes = flipped(np.repeat(random_hashes(1, 8, 3), SMALL + 10, axis=0), 5, 4)
    owners = np.arange(len(hashes), dtype=np.int64)
    assert found(HashIndex.build(hashes, owners), hashes[:3], 8) == by_hand(hashes, owners, hashes[:3], 8)


def test_added_hashes_are_found_beside_the_built_ones() -> None:
    hashes = random_hashes(SMALL + 40, 8, 5)
    owners = np.arange(len(hashes), dtype=np.int64)
    index = HashIndex.build(hashes[:SMALL], owners[:SMALL])
    index.add(hashes[SMALL : SMALL + 15], owners[SMALL : SMALL + 15])
    index.add(hashes[SMALL + 15 :], owners[SMALL + 15 :])
    queries = hashes[SMALL - 2 : SMALL + 20]
    assert len(index) == len(hashes)
    assert found(index, queries, 7) == by_hand(hashes, owners, queries, 7)


def test_saved_index_answers_as_before(tmp_path: Path) -> None:
    hashes = random_hashes(SMALL + 40, 8, 6)
    owners = np.arange(len(hashes), dtype=np.int64)
    index = HashIndex.build(hashes[:-5], owners[:-5])
    index.add(hashes[-5:], owners[-5:])
    index.save(tmp_path / "index")
    mapped = HashIndex.load(tmp_path / "index")
    assert isinstance(mapped.segments[0].words, np.memmap)
    assert found(mapped, hashes[-9:], 9) == found(index, hashes[-9:], 9) != []


def test_nearest_keeps_the_smallest_distance_of_each_owner() -> None:
    base = random_hashes(1, 8, 7)
    hashes = np.concatenate([flipped(base, 3, 1), flipped(base, 1, 2), flipped(base, 2, 3)])
    hits = HashIndex.build(hashes, np.array([7, 7, 9], np.int64)).search(base, 4)
    assert hits.nearest() == {7: 1, 9: 2}


def test_empty_index_finds_nothing(tmp_path: Path) -> None:
    index = HashIndex.build(np.zeros((0, 8), np.uint8), np.zeros(0, np.int64))
    assert found(index, random_hashes(2, 8, 8), 64) == []
    index.save(tmp_path / "empty")
    assert len(HashIndex.load(tmp_path / "empty")) == 0


@pytest.mark.parametrize(
    ("hashes", "owners"),
    [
        (np.zeros((3, 7), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((3, 8), np.uint16), np.zeros(3, np.int64)),
        (np.zeros((3, 8), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((3, 8), np.uint8), np.zeros(3, np.int32)),
    ],
)
def test_build_from_arrays_that_do_not_fit_is_refused(hashes: Hashes, owners: np.ndarray) -> None:
    with pytest.raises(IndexInvalid):
        HashIndex.build(hashes, owners)


def test_query_of_another_width_is_refused() -> None:
    index = HashIndex.build(random_hashes(3, 32, 9), np.arange(3, dtype=np.int64))
    with pytest.raises(IndexInvalid):
        index.search(random_hashes(1, 8, 9), 3)


def test_load_of_files_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    HashIndex.build(random_hashes(30, 8, 9), np.arange(30, dtype=np.int64)).save(tmp_path / "index")
    np.save(tmp_path / "index" / "owners.npy", np.arange(29, dtype=np.int64))
    with pytest.raises(IndexInvalid):
        HashIndex.load(tmp_path / "index")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"something else altogether"])
def test_load_of_a_broken_or_missing_file_is_refused(tmp_path: Path, content: bytes) -> None:
    HashIndex.build(random_hashes(30, 8, 9), np.arange(30, dtype=np.int64)).save(tmp_path / "index")
    (tmp_path / "index" / "part2-order.npy").write_bytes(content)
    with pytest.raises(IndexInvalid, match="build it again"):
        HashIndex.load(tmp_path / "index")
    (tmp_path / "index" / "words.npy").unlink()
    with pytest.raises(IndexInvalid, match="build it again"):
        HashIndex.load(tmp_path / "index")
