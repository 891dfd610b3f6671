"""The test session: the embedded PostgreSQL, unless DATABASE_URL names another server."""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

_database = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()
    if not os.environ.get("DATABASE_URL") and not hasattr(config, "workerinput"):
        from config import postgres
        from config.environment import data_dir

        _database.enter_context(postgres.in_use(data_dir()))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it again and again cost a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 20)
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    _database.close()


NO_TRUNCATE = ["governance_decisionrecord", "governance_auditentry"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> None:
    """Tests that commit end with TRUNCATE, which the append-only tables forbid: only here is that lifted.

    The catalogue is there as in every installation; after such a test, the factories bring it again.
    """
    from django.db import connection

    from tests.factories.registry import catalogue

    with django_db_blocker.unblock(), connection.cursor() as cursor:  # type: ignore[attr-defined]
        for table in NO_TRUNCATE:
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_truncate ON {table}")
        catalogue()


@pytest.fixture(autouse=True, scope="session")
def _own_files() -> Iterator[None]:
    """The session's files start empty and are removed."""
    from django.conf import settings

    folder = Path(settings.DATA_DIR)
    assert "test" in folder.parts, f"{folder} is not an own folder of the tests: other settings than theirs are in use"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Throttles and counters of one test are not those of the next."""
    from django.core.cache import cache

    cache.clear()


SMALLEST = 5e-324


@pytest.fixture(autouse=True)
def _arithmetic_stays_exact() -> Iterator[None]:
    """No test may leave the processor flushing small numbers to zero: that holds for every later test as well."""
    yield
    assert SMALLEST * 1.0 > 0.0, "this test switched the processor to flush subnormal numbers, and left it so"
