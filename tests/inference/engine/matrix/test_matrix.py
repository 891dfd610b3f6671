"""Kind × layout × family on tiny pipelines of real diffusers classes, each against the reference forward pass."""

import re

import pytest

from tests.inference.engine.matrix.cells import FAMILIES, Cell, cells
from tests.inference.engine.matrix.outcomes import EXACT, error_here
from tests.inference.engine.matrix.page import outcomes_of, table, written

ALL = [cell for family in FAMILIES for cell in cells(family)]


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: f"{cell.family}-{cell.layout}-{cell.kind}".replace(" ", "_"))
def test_file_acts_as_its_reference_does(cell: Cell) -> None:
    assert error_here(cell) <= EXACT


def test_page_counts_what_its_tables_show() -> None:
    page = written()
    found = [int(number) for number in re.findall(r"\d+", page.pop(""))]
    text = "\n".join(page.values())
    words = [text.count(f"| {word} ") for word in ("loads", "**nothing**", "**wrong**", "refuses")]
    assert found == [len(ALL), *words]
    assert sum(words) == len(ALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_page_is_up_to_date(family: str) -> None:
    """`python -m tests.inference.engine.matrix` writes it anew."""
    assert written()[family] == table(family, outcomes_of(family))
