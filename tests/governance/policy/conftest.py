"""The catalogue that ships, loaded once; none of these tests touches a database."""

from pathlib import Path

import pytest

import governance
from governance.policy import Ruleset, load_ruleset

CATALOGUE = Path(governance.__file__).parent / "catalogue"


@pytest.fixture(scope="session")
def rules() -> Ruleset:
    return load_ruleset(CATALOGUE)
