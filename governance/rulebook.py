"""The licence catalogue in force: loaded once per process."""

from functools import cache
from pathlib import Path

from governance.policy import Ruleset, load_ruleset

CATALOGUE = Path(__file__).resolve().parent / "catalogue"


@cache
def current_ruleset() -> Ruleset:
    """The ruleset of the catalogue that ships with the code; a restart brings a changed one into force."""
    return load_ruleset(CATALOGUE)
