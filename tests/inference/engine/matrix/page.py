"""The table as Markdown, between two marks in docs/adapters.md."""

from pathlib import Path

from tests.inference.engine.matrix.cells import FAMILIES, ROWS, SHAPES, Cell, cells
from tests.inference.engine.matrix.outcomes import EXACT, LOADED, NOTHING, REFUSED, WRONG, Diffusers, error_here

PAGE = Path(__file__).resolve().parents[4] / "docs" / "adapters.md"
START, END = "<!-- what loads: start -->", "<!-- what loads: end -->"
_WORDS = {LOADED: "loads", NOTHING: "**nothing**", WRONG: "**wrong**", REFUSED: "refuses"}
Outcomes = dict[Cell, str]


def outcomes_of(family: str) -> Outcomes:
    """What diffusers does with each file of a family; that the engine applies it exactly is held on the way."""
    diffusers, found = Diffusers(family), {}
    for cell in cells(family):
        error = error_here(cell)
        assert error <= EXACT, f"{cell}: {error}"
        found[cell] = diffusers.outcome(cell)
    return found


def table(family: str, outcomes: Outcomes) -> str:
    """One family: layouts as rows, kinds as columns; each cell is what diffusers does."""
    kinds = [kind for kind in ROWS if any(cell.kind == kind for cell in outcomes)]
    lines = [f"### {FAMILIES[family]}", "", f"| layout | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for layout, (families, _) in SHAPES.items():
        if family in families:
            words = [_WORDS.get(outcomes.get(Cell(kind, layout, family), ""), "–") for kind in kinds]
            lines.append(f"| {layout} | {' | '.join(words)} |")
    return "\n".join(lines)


def summary(outcomes: Outcomes) -> str:
    """How many of the files do what they should, here and there."""
    counts = {word: sum(value == word for value in outcomes.values()) for word in _WORDS}
    return (
        f"Of {len(outcomes)} files, all act here as their reference does. diffusers loads {counts[LOADED]} of them "
        f"exactly, loads nothing of {counts[NOTHING]} without an error, gets {counts[WRONG]} wrong without an error, "
        f"and refuses {counts[REFUSED]}."
    )


def section(by_family: dict[str, Outcomes]) -> str:
    """Everything between the marks."""
    everything = {cell: value for outcomes in by_family.values() for cell, value in outcomes.items()}
    parts = [summary(everything), *(table(family, outcomes) for family, outcomes in by_family.items())]
    return "\n\n".join(parts)


def written() -> dict[str, str]:
    """What the page has now: the summary, and the table of each family."""
    text = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].strip()
    head, *parts = text.split("\n\n### ")
    slugs = {title: family for family, title in FAMILIES.items()}
    return {"": head, **{slugs[part.partition("\n")[0]]: f"### {part}" for part in parts}}


def write(by_family: dict[str, Outcomes]) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n\n{section(by_family)}\n\n{END}{after}", encoding="utf-8")
