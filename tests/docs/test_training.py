"""docs/training.md says what the presets and the watch do."""

import re
from pathlib import Path

import pytest

from training.engine.presets import preset, purposes

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
WATCH = Path(__file__).resolve().parents[2] / "training" / "engine" / "watch"
SHORT = {"attention": "A", "attention+feed-forward": "A+F"}


@pytest.mark.parametrize("purpose", purposes(), ids=lambda one: one.name)
def test_recipe_table_says_what_the_presets_hold(purpose: object) -> None:
    cells = []
    for family in ("sd1", "sd2", "sdxl", "flux1"):
        made = preset(purpose.name, family, 20).config  # type: ignore[attr-defined]
        adapter, rate = made.adapter, made.optim.learning_rate
        cells.append(f"{adapter.rank} / {adapter.alpha:g}, {rate:g}, {SHORT[adapter.targets]}, {made.steps}")
    assert f"| {purpose.title.lower()} | {' | '.join(cells)} |" in TEXT  # type: ignore[attr-defined]


def test_every_warning_of_the_watch_is_described() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in WATCH.glob("*.py"))
    codes = set(re.findall(r'WatchWarning\(\s*"([a-z-]+)"', source))
    assert len(codes) == 6
    assert codes == set(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE))
