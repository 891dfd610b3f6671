"""Unmodified clients discuss at a running site: opened, commented, edited, renamed, closed, listed, hidden."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site
from tests.registry.compat.hub.conftest import HERE, VERSIONS, HubClient

pytestmark = [pytest.mark.service, pytest.mark.slow]
REPO = "ada/outlined"
STEPS = HERE / "discussion_client.py"
Clients = Callable[[str], HubClient]


@pytest.fixture(params=list(VERSIONS))
def client(request: pytest.FixtureRequest, hub_clients: Clients) -> HubClient:
    return hub_clients(request.param)


def _person(site: Site, client: HubClient, why: str, home: Path) -> tuple[HubClient, str]:
    person = Person(site, f"{why}-{client.version}")
    return client.signed_in(site, home, person.token), person.name


def test_discussion_lives_as_the_client_expects(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    client, name = _person(hub_site, client, "talker", tmp_path)
    found = client.run(STEPS, "life", REPO)
    number = int(found.pop("url").removeprefix(f"/{REPO}/discussions/"))
    assert found == {
        "opened": ["Green circles", "open", REPO, "model", False],
        "author": [name, name, name],
        "first": ["Can it do *green* ones?", "<p>Can it do <em>green</em> ones?</p>", False, False],
        "edited": ["It can, from 0.6 on.", True, True, name],
        "later": True,
        "renamed": ["Green circles", "Green circles, and squares"],
        "closed": "closed",
        "events": ["comment", "comment", "title-change", "comment", "status-change", "status-change"],
        "title": "Green circles, and squares",
        "status": "open",
        "of a pull request": [None, None, None, None],
    }
    page = Person(hub_site, f"reader-of-{client.version}").ask("GET", f"/{REPO}/discussions/{number}")
    assert page.status == 200
    assert "It can, from 0.6 on." in page.text


def test_lists_are_narrowed_and_paged(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    client, _ = _person(hub_site, client, "asker", tmp_path)
    assert client.run(STEPS, "listing", REPO) == {
        "whole": True,
        "open": True,
        "closed": True,
        "discussions": 52,
        "pull requests": [],
        "nobody's": [],
    }


def test_what_is_not_offered_is_said(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    client, _ = _person(hub_site, client, "refused", tmp_path)
    found = client.run(STEPS, "refusals", REPO)
    assert {step: said[0] for step, said in found.items()} == {
        "pull": 501, "merge": 501, "space": 501, "absent": 404, "no comment": 404, "nowhere": 404,
        "short": 422, "again": 409, "hide": 403,
    }  # fmt: skip
    assert "no pull requests" in found["pull"][1]
    assert "3 to 200 characters" in found["short"][1]
    assert "moderators" in found["hide"][1]


def test_moderator_hides_a_comment(client: HubClient, hub_site: Site, tmp_path: Path) -> None:
    client, name = _person(hub_site, client, "hidden", tmp_path / "a")
    client.run(STEPS, "life", REPO)
    query = (
        "SELECT d.number FROM registry_discussion d JOIN accounts_user u ON u.id = d.author_id WHERE u.username = %s"
    )
    number = hub_site.rows(query, name)[0][0]
    moderator, who = _person(hub_site, client, "mod", tmp_path / "b")
    hub_site.execute("UPDATE accounts_user SET is_moderator = true WHERE username = %s", who)
    found = moderator.run(STEPS, "hidden", f"{REPO}#{number}")
    assert found == {"answer": True, "read": [True, "This comment has been hidden"]}
    page = Person(hub_site, f"sees-no-{client.version}").ask("GET", f"/{REPO}/discussions/{number}")
    assert "Can it do" not in page.text
    assert "A moderator has hidden this comment" in page.text
