"""The body of a commit: read as clients write it, refused in words where it is anything else."""

import base64
import io
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.compat.hub.ndjson import LINE_MOST, BodyRefused, CommitBody, commit_body
from registry.errors import PathRefused
from registry.services.commit_changes import REGULAR_MOST, CopyFile, DeleteFile, DeleteFolder, PutFile, PutLarge

HEADER = {"key": "header", "value": {"summary": "s", "description": "d", "parentCommit": "AB"}}
# A busy machine draws slowly; that says nothing about the code.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _read(raw: bytes) -> tuple[CommitBody, dict[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        body = commit_body(io.BytesIO(raw), Path(folder))
        return body, {put.path: put.place.read_bytes() for put in body.changes if isinstance(put, PutFile)}


def _lines(*entries: Any) -> bytes:
    return b"\n".join(json.dumps(entry).encode() for entry in entries)


def test_every_kind_of_line_is_read() -> None:
    body, contents = _read(
        _lines(
            HEADER,
            {
                "key": "file",
                "value": {"path": "a.md", "content": base64.b64encode(b"text").decode(), "encoding": "base64"},
            },
            {"key": "file", "value": {"path": "b.md", "content": "täxt"}},
            {"key": "lfsFile", "value": {"path": "c.safetensors", "algo": "sha256", "oid": "AB" * 32, "size": 5}},
            {"key": "deletedFile", "value": {"path": "d"}},
            {"key": "deletedFolder", "value": {"path": "e/f/"}},
            {"key": "copyFile", "value": {"path": "g.md", "srcPath": "a.md", "srcRevision": None}},
            {"key": "copyFile", "value": {"path": "h.md", "srcPath": "a.md", "srcRevision": "v1"}},
        )
    )
    assert (body.summary, body.description, body.parent) == ("s", "d", "ab")
    assert contents == {"a.md": b"text", "b.md": "täxt".encode()}
    assert body.changes[2:] == [
        PutLarge("c.safetensors", "ab" * 32),
        DeleteFile("d"),
        DeleteFolder("e/f"),
        CopyFile("g.md", "a.md"),
        CopyFile("h.md", "a.md", "v1"),
    ]


@UNHURRIED
@given(st.binary(max_size=400))
def test_noise_is_refused_in_words_or_read(raw: bytes) -> None:
    with suppress(BodyRefused, PathRefused):
        _read(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
)
VALUES = st.dictionaries(
    st.sampled_from(
        ["path", "content", "encoding", "oid", "algo", "size", "summary", "parentCommit", "srcPath", "srcRevision"]
    ),
    JSON,
)
LINES = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["header", "file", "lfsFile", "deletedFile", "deletedFolder", "copyFile", "x"]),
        "value": VALUES,
    }
)


@UNHURRIED
@given(st.lists(LINES, max_size=4))
def test_lines_of_any_content_are_refused_in_words_or_read(lines: list[Any]) -> None:
    with suppress(BodyRefused, PathRefused):
        _read(_lines(HEADER, *lines))


@UNHURRIED
@given(st.binary(max_size=3000), st.integers(1, 700))
def test_content_comes_whole_however_it_is_cut_on_the_way(content: bytes, step: int) -> None:
    line = {"key": "file", "value": {"path": "a", "content": base64.b64encode(content).decode(), "encoding": "base64"}}
    raw = io.BytesIO(_lines(HEADER, line))

    class Slow:
        def read(self, size: int, /) -> bytes:
            return raw.read(min(size, step))

    with tempfile.TemporaryDirectory() as folder:
        put = commit_body(Slow(), Path(folder)).changes[0]
        assert isinstance(put, PutFile)
        assert put.place.read_bytes() == content


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no header"),
        (_lines(HEADER, HEADER), "one header already"),
        (_lines(HEADER, {"key": "copy", "value": {}}), "'copy' is not known"),
        (_lines(HEADER, {"key": "copyFile", "value": {"path": "a", "srcPath": "b", "srcRepo": "c/d"}}), "other repos"),
        (_lines(HEADER, {"key": "copyFile", "value": {"path": "a"}}), "`srcPath` is not a text"),
        (_lines(HEADER, {"key": "lfsFile", "value": {"path": "a", "algo": "md5", "oid": "ab" * 32}}), "SHA-256"),
        (_lines(HEADER, {"key": "file", "value": {"path": "a", "content": "%%", "encoding": "base64"}}), "not base64"),
        (_lines(HEADER, {"key": "file", "value": {"path": "a", "content": "\ud800", "encoding": "utf-8"}}), "Unicode"),
        (_lines(HEADER, {"key": "file", "value": {"path": "a", "content": "x" * (REGULAR_MOST + 1)}}), "LFS or Xet"),
        (b"[" * 100_000, "not JSON"),
    ],
    ids=[
        "nothing",
        "two headers",
        "unknown",
        "foreign copy",
        "copy of nothing",
        "md5",
        "base64",
        "surrogate",
        "large",
        "deep",
    ],
)
def test_body_that_is_none_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(BodyRefused, match=said):
        _read(raw)


def test_line_without_end_is_given_up_before_it_fills_the_memory() -> None:
    class Endless:
        given = 0

        def read(self, size: int, /) -> bytes:
            self.given += size
            assert self.given < LINE_MOST * 2
            return b"x" * size

    with pytest.raises(BodyRefused, match="line"):
        commit_body(Endless(), Path("/nonexistent"))
