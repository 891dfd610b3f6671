"""Options: whatever is sent is read or refused with its field; what was read reads the same again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import MakingRefused
from inference.making_options import DEFAULTS, LAYOUTS, METHODS, TYPES, options_checked, usable

NAMES = sorted({name for options in DEFAULTS.values() for name in options})
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2),
    st.sampled_from([*METHODS, *LAYOUTS, *TYPES]),
)  # fmt: skip


@given(st.sampled_from(sorted(DEFAULTS)), st.dictionaries(st.sampled_from([*NAMES, "surprise"]), ANYTHING))
def test_anything_is_read_or_refused_with_its_field(kind: str, sent: dict[str, Any]) -> None:
    options, errors = _read(kind, sent)
    assert (options is None) == bool(errors)
    assert all(errors.values())
    if options is None:
        return
    assert options.keys() == DEFAULTS[kind].keys()
    assert options_checked(kind, options) == options
    assert options.get("rank") is None or 1 <= options["rank"] <= 1024
    assert options.get("energy") is None or 0 < options["energy"] <= 1


def _read(kind: str, sent: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    try:
        return options_checked(kind, sent), {}
    except MakingRefused as refused:
        return None, refused.data["errors"]


def test_defaults_are_options() -> None:
    for kind in ("merge", "extract", "checkpoint", "compare"):
        assert options_checked(kind, {}) == DEFAULTS[kind]


@pytest.mark.parametrize(
    ("kind", "sent", "field"),
    [
        ("form", {}, "layout"),
        ("extract", {"rank": None, "energy": 0.9}, "rank"),
        ("merge", {"method": "svd", "rank": "", "energy": ""}, "rank"),
        ("merge", {"rank": "x"}, "rank"),
        ("checkpoint", {"rank": 3}, "rank"),
    ],
)
def test_contradictions_are_named(kind: str, sent: dict[str, Any], field: str) -> None:
    with pytest.raises(MakingRefused) as refused:
        options_checked(kind, sent)
    assert field in refused.value.data["errors"]


def test_concat_keeps_all_ranks() -> None:
    options = options_checked("merge", {"method": "concat", "rank": 4})
    assert usable("merge", options)["rank"] is None
    assert usable("merge", {**options, "method": "svd"})["rank"] == 4
