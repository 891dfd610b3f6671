"""Batch files: CSV and JSON read strictly, every mistake with its line, and no bytes that break the reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.batch_files import COLUMNS, MAX_BYTES, FileRefused, requests_in
from inference.generation_plan import RANDOM, Spec

DEFAULTS = {
    "tinybase": Spec("", "tinybase", steps=20, guidance=2.5, width=64, height=64),
    "sdxl": Spec("", "sdxl", steps=30, guidance=6.0, width=1024, height=1024),
}


def _read(content: str | bytes) -> tuple[Spec, ...]:
    raw = content.encode() if isinstance(content, str) else content
    return requests_in(raw, defaults=DEFAULTS, base_model="tinybase")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_any_spreadsheet_is_read(delimiter: str) -> None:
    lines = [["prompt", "Seed", "cfg_scale"], ['"a cat, red"', "7", "3.5"], ["a dog", "", ""]]
    specs = _read("\ufeff" + "\r\n".join(delimiter.join(line) for line in lines) + "\r\n")
    assert [(one.prompt, one.seed, one.guidance) for one in specs] == [("a cat, red", 7, 3.5), ("a dog", RANDOM, 2.5)]


def test_json_fills_gaps_with_the_base_models_own_values() -> None:
    rows = [{"prompt": "a", "base_model": "sdxl", "count": 2}, {"prompt": "b", "steps": 5, "negative_prompt": "c"}]
    specs = _read(json.dumps(rows))
    assert [(one.base_model, one.steps, one.width, one.count, one.negative) for one in specs] == [
        ("sdxl", 30, 1024, 2, ""), ("tinybase", 5, 64, 1, "c")
    ]  # fmt: skip
    assert _read(json.dumps({"requests": rows})) == specs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no requests"),
        ("prompt\n", "no requests"),
        ("[]", "no requests"),
        ("[1]", "no list of objects"),
        ('{"a": 1}', "no list of objects"),
        ("[{", "cannot be read"),
        (b"\xff\xfe", "not UTF-8"),
        ("prompt\na\0b", "zero bytes"),
        ("prompt,prompt\na,b", "twice"),
        ('prompt\n"open', "cannot be read in line"),
        ("[" * 100_000, "cannot be read"),
        (b"a" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_file_that_is_none_is_refused_as_a_whole(content: str | bytes, message: str) -> None:
    with pytest.raises(FileRefused, match=message):
        _read(content)


def test_every_wrong_line_is_told_at_once() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "fine"}, {"prompt": "x", "steps": "many"}, {"promt": "x"}, {"prompt": "x", "base_model": "none"},
        {"prompt": "x", "seed": True}, {"prompt": 5}, {"prompt": "x", "steps": 1.5},
    ]  # fmt: skip
    with pytest.raises(FileRefused, match="6 of 7") as caught:
        _read(json.dumps(rows))
    assert sorted(caught.value.rows) == [2, 3, 4, 5, 6, 7]
    assert "“promt” is no column here" in caught.value.rows[3][0]


def test_line_with_more_cells_than_columns_is_named() -> None:
    with pytest.raises(FileRefused) as caught:
        _read("prompt,seed\na,1\na cat, red,2")
    assert list(caught.value.rows) == [2]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        specs = _read(content)
    except FileRefused:
        return
    assert all(one.prompt for one in specs)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), JSON, max_size=5), max_size=4))
def test_no_json_breaks_the_reader(rows: list[dict[str, Any]]) -> None:
    try:
        specs = _read(json.dumps(rows))
    except FileRefused:
        return
    assert len(specs) == len(rows)
