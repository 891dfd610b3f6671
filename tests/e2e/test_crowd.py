"""Many at once at a real server: slow uploads and guessed passwords take neither its threads nor its memory."""

import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, forget_peak, peak_memory, running_site, until

pytestmark = pytest.mark.slow
MIB = 1024**2
LIMIT = 176 * MIB  # resident bytes of a web process, of which a good 130 are there when nobody asks
ANNOUNCED = 1_000_000


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site(
        "crowd", "--no-demo", RATE_USER="100000/min", UPLOAD_PATIENCE="3", UPLOAD_SLOWEST="1000000"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def cora(site: Site) -> Person:
    return Person(site, "cora")


def test_slow_uploads_leave_the_site_to_others_and_are_cut_with_what_came(site: Site, cora: Person) -> None:
    slow = []
    for number in range(20):
        address = cora.tus_create(ANNOUNCED, f"slow-{number}.safetensors")
        connection = cora.tus_connection(address, 0, ANNOUNCED)
        connection.send(b"abc")
        slow.append((address, connection))
    with urllib.request.urlopen(f"{site.url}/healthz", timeout=20) as answer:
        assert answer.status == 200
    answers = []
    for _, connection in slow:
        with connection.getresponse() as response:
            answers.append(response.status)
    assert set(answers) == {408, 503}
    assert answers.count(408) == 3  # as many as one person may have under way
    for (address, connection), status in zip(slow, answers, strict=True):
        connection.close()
        assert until(lambda address=address: cora.tus_offset(address) + 1, "an offset") == (4 if status == 408 else 1)


def test_guessed_passwords_at_once_do_not_fill_the_memory(site: Site, cora: Person) -> None:
    (worker,) = site.web_workers()
    forget_peak(worker)

    def guess(number: int) -> int:
        body = f"login=nobody{number}&password=guessed-word-{number}"
        return cora.post_form("/sign-in", **dict(part.split("=") for part in body.split("&"))).status

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(guess, range(24))) == {403}
    assert peak_memory(worker) < LIMIT
