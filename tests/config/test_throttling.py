"""Rate limits of the API: announced on every answer, kept per user and per address."""

from collections.abc import Iterator

import pytest
from django.test import Client

from config.throttling import HeaderThrottle
from tests.factories.accounts import make_token, make_user

pytestmark = pytest.mark.django_db
PATH = "/api/v1/base-models"


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three requests a minute for the anonymous, five for users."""
    monkeypatch.setattr(HeaderThrottle, "THROTTLE_RATES", {"anon": "3/min", "user": "5/min"})
    return


def test_answer_announces_limit_rest_and_reset(client: Client, rates: None) -> None:
    first, second = client.get(PATH), client.get(PATH)
    assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("3", "2")
    assert second["RateLimit-Remaining"] == "1"
    assert 0 < int(first["RateLimit-Reset"]) <= 60


def test_exhausted_limit_is_a_problem_with_the_time_to_wait(client: Client, rates: None) -> None:
    answers = [client.get(PATH) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[2]["RateLimit-Remaining"] == answers[3]["RateLimit-Remaining"] == "0"
    assert answers[3].json()["code"] == "throttled"
    assert 0 < int(answers[3]["Retry-After"]) <= 60


def test_users_have_a_bucket_each_apart_from_their_address(client: Client, rates: None) -> None:
    headers = [{"authorization": f"Bearer {make_token(make_user(name))[1]}"} for name in ("ada", "bob")]
    for _ in range(4):
        client.get(PATH)
    first = client.get(PATH, headers=headers[0])
    assert (first.status_code, first["RateLimit-Limit"], first["RateLimit-Remaining"]) == (200, "5", "4")
    assert client.get(PATH, headers=headers[1])["RateLimit-Remaining"] == "4"


def test_addresses_have_a_bucket_each(client: Client, rates: None) -> None:
    for _ in range(4):
        client.get(PATH, REMOTE_ADDR="192.0.2.1")
    assert client.get(PATH, REMOTE_ADDR="192.0.2.1").status_code == 429
    assert client.get(PATH, REMOTE_ADDR="192.0.2.2").status_code == 200


def test_forwarded_address_of_a_stranger_is_no_way_around(client: Client, rates: None) -> None:
    """Without a proxy of our own, whoever writes X-Forwarded-For is not believed."""
    answers = [client.get(PATH, headers={"x-forwarded-for": f"198.51.100.{number}"}) for number in range(4)]
    assert answers[-1].status_code == 429


def test_pages_are_not_counted(client: Client, rates: None) -> None:
    assert "RateLimit-Limit" not in client.get("/licences")
