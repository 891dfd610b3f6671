"""Generated calls of every operation against a running site: no error of the server, nothing that the schema hides."""

import pytest

from benchmarks.api_calls import run
from tests.e2e.clients import Person
from tests.e2e.sites import running_site

pytestmark = [pytest.mark.service, pytest.mark.slow]


def test_generated_calls_find_no_fault() -> None:
    """Some 1,000 of them; `python -m benchmarks.api_calls` makes 10,000."""
    with running_site("api-calls", RATE_USER="1000000/min", RATE_ANON="1000000/min") as site:
        person = Person(site, "cara")
        done = run(site.url, person.token, seed=3, examples=2, seconds=120)
    assert not done.failed, done.output
    assert done.calls >= 500, done.output
