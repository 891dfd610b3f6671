"""Plans: counts, sweeps and grids as single pictures, and everything that cannot be had."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.generation_plan import (
    MAX_VALUES,
    SEED_MAX,
    Axis,
    AxisKind,
    Limits,
    PlanRefused,
    Spec,
    axis_of,
    plan,
)

LIMITS = Limits(samplers={"euler": "Euler", "ddim": "DDIM"}, pictures=36)
SPEC = Spec("a red circle <lora:ada/outlined:1> <lora:bo/soft:0.5:0.2>", "tinybase", seed=5, width=64, height=64)
RANGES = {
    (AxisKind.STRENGTH, "0, 0.5, 1"): ("0", "0.5", "1"),
    (AxisKind.STRENGTH, "0-1 [5]"): ("0", "0.25", "0.5", "0.75", "1"),
    (AxisKind.STRENGTH, "-1 - 1 (+0.5)"): ("-1", "-0.5", "0", "0.5", "1"),
    (AxisKind.STRENGTH, "1-0 [3], 2"): ("1", "0.5", "0", "2"),
    (AxisKind.SEED, "1-4"): ("1", "2", "3", "4"),
    (AxisKind.STEPS, "10-30 (+10)"): ("10", "20", "30"),
    (AxisKind.GUIDANCE, "1, 1, 2"): ("1", "2"),
    (AxisKind.WORDS, "red, dark blue"): ("red", "dark blue"),
}
NO_AXES = [
    (AxisKind.SEED, "1"), (AxisKind.SEED, "a, b"), (AxisKind.SEED, "1.5, 2"), (AxisKind.STEPS, "1-1000"),
    (AxisKind.STRENGTH, "1e5, 2"), (AxisKind.STRENGTH, "nan, 1"), (AxisKind.GUIDANCE, "0-1 (+0)"), (AxisKind.WORDS, ""),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "values"), RANGES.items())
def test_axis_reads_lists_and_ranges(asked: tuple[AxisKind, str], values: tuple[str, ...]) -> None:
    assert axis_of(*asked).values == values


@pytest.mark.parametrize(("kind", "text"), NO_AXES)
def test_axis_that_cannot_be_read_is_refused_at_its_field(kind: AxisKind, text: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        axis_of(kind, text, name="y_values")
    assert {wrong.field for wrong in caught.value.wrong} == {"y_values"}


def test_count_takes_the_next_seeds_and_starts_over_after_the_last() -> None:
    cells = plan(replace(SPEC, seed=SEED_MAX, count=3), LIMITS)
    assert [(cell.row, cell.column, cell.spec.seed) for cell in cells] == [(0, 0, SEED_MAX), (0, 1, 0), (0, 2, 1)]


def test_grid_has_every_pair_once_with_its_labels() -> None:
    grid = replace(SPEC, x=axis_of(AxisKind.STRENGTH, "0, 1", place=1), y=axis_of(AxisKind.WORDS, "red, blue"))
    cells = plan(grid, LIMITS)
    assert [(c.row, c.column, c.row_label, c.column_label) for c in cells] == [
        (0, 0, "red", "strength 0"), (0, 1, "red", "strength 1"),
        (1, 0, "blue", "strength 0"), (1, 1, "blue", "strength 1"),
    ]  # fmt: skip
    assert cells[3].spec.prompt == "a blue circle <lora:ada/outlined:1> <lora:bo/soft:1>"
    assert {cell.spec.seed for cell in cells} == {5}, "only what is on an axis differs"


def test_one_adapter_after_another_keeps_the_strengths() -> None:
    cells = plan(replace(SPEC, x=axis_of(AxisKind.ADAPTER, "bo/soft/v/2, cy/hard", place=1)), LIMITS)
    assert [cell.mentions[1].address for cell in cells] == ["bo/soft/v/2", "cy/hard"]
    assert {(cell.mentions[1].text_weight, cell.mentions[1].weight) for cell in cells} == {(0.5, 0.2)}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 81}, "steps"),
        ({"guidance": float("nan")}, "guidance"),
        ({"seed": SEED_MAX + 1}, "seed"),
        ({"sampler": "magic"}, "sampler"),
        ({"count": 37}, "count"),
        ({"width": 65}, "width"),
        ({"height": 8}, "height"),
        ({"width": 4096, "height": 4096}, "width"),
        ({"x": Axis(AxisKind.STRENGTH, ("0", "1"), 2)}, "x"),
        ({"x": Axis(AxisKind.STRENGTH, ("0", "5"))}, "x"),
        ({"x": Axis(AxisKind.WORDS, ("green", "blue"))}, "x"),
        ({"x": Axis(AxisKind.ADAPTER, ("a b", "c/d"))}, "x"),
        ({"x": Axis(AxisKind.SAMPLER, ("euler", "magic"))}, "sampler"),
        ({"x": Axis(AxisKind.SEED, ("1", "2")), "count": 2}, "count"),
        ({"x": Axis(AxisKind.SEED, ("1", "2")), "y": Axis(AxisKind.SEED, ("3", "4"))}, "y"),
    ],
)
def test_what_cannot_be_had_is_named_at_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        plan(replace(SPEC, **changes), LIMITS)
    assert {wrong.field for wrong in caught.value.wrong} == {field}
    assert all(wrong.message.endswith(".") for wrong in caught.value.wrong)


def test_grid_with_too_many_pictures_is_refused() -> None:
    grid = replace(SPEC, x=axis_of(AxisKind.SEED, "1-7"), y=axis_of(AxisKind.STEPS, "1-6"))
    with pytest.raises(PlanRefused, match="42 pictures"):
        plan(grid, LIMITS)


@given(st.integers(2, 6), st.integers(2, 6), st.sampled_from(list(AxisKind)[2:5]))
def test_cells_are_the_product_of_the_axes(columns: int, rows: int, kind: AxisKind) -> None:
    other = AxisKind.STRENGTH
    grid = replace(SPEC, x=axis_of(kind, f"1-{columns}"), y=axis_of(other, f"0-1 [{rows}]"))
    cells = plan(grid, LIMITS)
    assert len({(cell.row, cell.column) for cell in cells}) == len(cells) == rows * columns
    assert len({cell.spec for cell in cells}) == len(cells), "no two cells are the same picture"


@given(st.text(alphabet="0123456789.-[](+), ae", max_size=30), st.sampled_from(list(AxisKind)))
def test_no_text_breaks_an_axis(text: str, kind: AxisKind) -> None:
    try:
        axis = axis_of(kind, text)
    except PlanRefused:
        return
    assert 2 <= len(axis.values) <= MAX_VALUES
