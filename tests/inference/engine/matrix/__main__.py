"""Write the table into docs/adapters.md."""

import warnings

from tests.inference.engine.matrix.cells import FAMILIES
from tests.inference.engine.matrix.page import outcomes_of, write

warnings.simplefilter("ignore")
write({family: outcomes_of(family) for family in FAMILIES})
