"""Xorbs: every packing is undone exactly, and no number in one is believed."""

import io
from contextlib import suppress

import lz4.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.compat.hub.xet.xorb import (
    HEADER,
    MOST_LENGTH,
    XorbRefused,
    chunk_bytes,
    regrouped,
    span,
    xorb_chunks,
)
from tests.registry.compat.hub.xet.making import FOOTER, grouped, packed_chunk, xorb_bytes

CHUNKS = st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([0, 1, 2])), max_size=8)
# A busy machine draws slowly; that says nothing about the code.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _read(raw: bytes) -> list[bytes]:
    stream = io.BytesIO(raw)
    return [chunk_bytes(stream, chunk) for chunk in xorb_chunks(stream)]


@UNHURRIED
@given(CHUNKS, st.sampled_from([b"", FOOTER]))
def test_every_packing_is_undone(chunks: list[tuple[bytes, int]], footer: bytes) -> None:
    assert _read(xorb_bytes(chunks, footer)) == [content for content, _ in chunks]


@UNHURRIED
@given(st.binary(max_size=100))
def test_planes_are_put_back_in_order(content: bytes) -> None:
    assert regrouped(grouped(content)) == content


@UNHURRIED
@given(CHUNKS.filter(bool), st.data())
def test_xorb_that_breaks_off_inside_a_chunk_is_refused(chunks: list, data: st.DataObject) -> None:
    last = packed_chunk(*chunks[-1])
    raw = xorb_bytes(chunks, b"")
    cut = data.draw(st.integers(1, len(last) - 1))
    with pytest.raises(XorbRefused):
        _read(raw[:-cut])


@UNHURRIED
@given(CHUNKS, st.binary(max_size=64), st.data())
def test_damaged_xorb_is_read_or_refused_and_nothing_else(chunks: list, noise: bytes, data: st.DataObject) -> None:
    raw = bytearray(xorb_bytes(chunks))
    place = data.draw(st.integers(0, len(raw)))
    raw[place : place + len(noise)] = noise
    with suppress(XorbRefused):
        assert all(len(content) <= MOST_LENGTH for content in _read(bytes(raw)))


def test_frame_that_holds_more_than_it_announced_is_not_unpacked_further() -> None:
    bomb = lz4.frame.compress(bytes(8 * 1024 * 1024))
    raw = b"\0" + len(bomb).to_bytes(3, "little") + b"\1" + (100).to_bytes(3, "little") + bomb
    with pytest.raises(XorbRefused, match=r"100 bytes it announced|does not end"):
        _read(raw)


def test_frame_that_holds_less_than_it_announced_is_refused() -> None:
    raw = bytearray(packed_chunk(b"twelve bytes", 1))
    raw[5:8] = (13).to_bytes(3, "little")
    with pytest.raises(XorbRefused, match="13 bytes"):
        _read(bytes(raw))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, b"\1", "version 1"),
        (4, b"\3", "scheme 3"),
        (5, b"\0\0\0", "said to hold 0"),
        (5, b"\xff\xff\xff", "said to hold 16,777,215"),
        (1, b"\5\0\0", "two lengths differ"),
    ],
)
def test_header_that_cannot_be_is_refused(place: int, value: bytes, said: str) -> None:
    raw = bytearray(packed_chunk(b"content", 0))
    raw[place : place + len(value)] = value
    with pytest.raises(XorbRefused, match=said):
        _read(bytes(raw))


def test_span_is_inside_the_xorb_or_refused() -> None:
    chunks = xorb_chunks(io.BytesIO(xorb_bytes([(b"a", 0), (b"b", 0), (b"c", 1)])))
    assert [chunk.size for chunk in span(chunks, 1, 3)] == [1, 1]
    for first, end in [(0, 4), (3, 3), (-1, 2)]:
        with pytest.raises(XorbRefused):
            span(chunks, first, end)


def test_header_size_is_the_protocols() -> None:
    assert xorb_chunks(io.BytesIO(xorb_bytes([(b"abc", 0)])))[0].offset == HEADER == 8
