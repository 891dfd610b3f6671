"""Shards: what a client writes is read back, and nothing that it could write does harm."""

import io
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.compat.hub.xet.shard import MOST_TERMS, ShardFile, ShardRefused, Term, hex_of, shard_files
from tests.registry.compat.hub.xet.making import shard_bytes

HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex).filter(lambda text: text != "ff" * 32)
TERMS = st.tuples(HASHES, st.integers(0, 2**32 - 1), st.integers(0, 1000), st.integers(1, 1000)).map(
    lambda term: (term[0], term[1], term[2], term[2] + term[3])
)
FILES = st.lists(st.tuples(st.none() | HASHES, st.lists(TERMS, max_size=5)), max_size=4)
# A busy machine draws slowly; that says nothing about the code.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _read(raw: bytes) -> list[ShardFile]:
    return list(shard_files(io.BytesIO(raw)))


@UNHURRIED
@given(FILES, st.booleans())
def test_shard_that_a_client_writes_is_read_back(files: list, verified: bool) -> None:
    expected = [
        ShardFile(terms=tuple(Term(xorb, size, first, end) for xorb, size, first, end in terms), sha256=sha256)
        for sha256, terms in files
    ]
    assert _read(shard_bytes(files, verified=verified)) == expected


def test_hash_is_written_in_groups_of_eight_bytes() -> None:
    assert hex_of(bytes(range(32))) == "07060504030201000f0e0d0c0b0a09081716151413121110" + "1f1e1d1c1b1a1918"


def test_size_of_a_file_is_that_of_its_terms() -> None:
    raw = shard_bytes([("ab" * 32, [("cd" * 32, 10, 0, 1), ("ef" * 32, 32, 3, 9)])])
    assert [file.size for file in _read(raw)] == [42]


@UNHURRIED
@given(FILES, st.data())
def test_shard_that_breaks_off_is_refused(files: list, data: st.DataObject) -> None:
    raw = shard_bytes(files)[: -len(b"what follows is the list of xorbs") * 3]
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(ShardRefused):
        _read(raw[:cut])


@UNHURRIED
@given(st.binary(max_size=600), FILES, st.data())
def test_damaged_shard_is_read_or_refused_and_nothing_else(noise: bytes, files: list, data: st.DataObject) -> None:
    raw = bytearray(shard_bytes(files))
    place = data.draw(st.integers(0, len(raw)))
    raw[place : place + len(noise)] = noise
    with suppress(ShardRefused):
        _read(bytes(raw))


def test_number_of_terms_is_bounded_before_anything_is_read() -> None:
    raw = bytearray(shard_bytes([(None, [])]))
    raw[48 + 36 : 48 + 40] = (MOST_TERMS + 1).to_bytes(4, "little")
    with pytest.raises(ShardRefused, match="terms"):
        _read(bytes(raw))


@pytest.mark.parametrize(("place", "value", "said"), [(0, b"X", "begin"), (32, b"\3", "version is 3")])
def test_other_header_is_refused(place: int, value: bytes, said: str) -> None:
    raw = bytearray(shard_bytes([]))
    raw[place : place + 1] = value
    with pytest.raises(ShardRefused, match=said):
        _read(bytes(raw))
