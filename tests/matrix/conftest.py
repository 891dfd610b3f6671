"""One house for the whole matrix, rolled back at its end."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from tests.matrix.house import Case, House, build, rest


@pytest.fixture(scope="package")
def house(django_db_setup: None, django_db_blocker: Any, _own_files: None) -> Iterator[House]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield build()
        transaction.set_rollback(True)


@pytest.fixture(scope="package")
def further_cases(house: House) -> list[Case]:
    """What the fast tests leave out."""
    return rest(house)
