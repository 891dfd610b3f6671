"""The adapter's page in states other than published: nothing is promised that cannot be had."""

import pytest
from django.test import Client

from accounts.models import User
from registry.models import BaseModel, Version
from registry.selectors.pages import licence_card
from registry.services.review import version_review
from registry.services.states import version_transition
from registry.services.versions import version_withdraw
from registry.snippets import usage_snippets
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}


@pytest.fixture
def ada(client: Client) -> User:
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def _text(client: Client, path: str = "/ada/style") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def _refused(ada: User) -> Version:
    version = make_version(actor=ada, declared=HELD)
    moderator = make_user("mo", is_moderator=True)
    version_review(version=version, actor=moderator, approve=False, public_reasoning="No consent was given.")
    return version


def _gone(ada: User, state: str) -> Version:
    if state == "refused":
        return _refused(ada)
    version = make_version(actor=ada)
    if state == "withdrawn":
        version_withdraw(version=version, actor=ada, reason="Mistake.")
    else:
        version_transition(version=version, to=VersionState.TAKEN_DOWN, actor=None)
    return version


@pytest.mark.parametrize("state", ["refused", "withdrawn", "taken-down"])
def test_nothing_may_be_done_with_what_is_gone(state: str, client: Client, ada: User) -> None:
    _gone(ada, state)
    text = _text(client)
    assert f"Nothing: this version is {state.replace('-', ' ')}." in text
    assert "uses__row" not in text
    assert "How to use it" not in text
    assert "What it does" not in text
    assert "Download<" not in text


def test_published_version_shows_its_uses_and_snippets(client: Client, ada: User) -> None:
    make_version(actor=ada)
    text = _text(client)
    for shown in ("uses__row--allow", "How to use it", "What it does", "No preview has been rendered yet."):
        assert shown in text
    assert "Nothing: " not in text
    assert "Nothing yet" not in text


def test_version_in_review_says_that_its_uses_come_later(client: Client, ada: User) -> None:
    make_version(actor=ada, declared=HELD)
    assert "Nothing yet: this version is in review." in _text(client)


def test_version_being_scanned_has_no_heading_without_content(client: Client, ada: User) -> None:
    make_submitted(actor=ada)
    text = _text(client)
    assert "Computed when the file has been inspected." in text
    assert "What it does" not in text


def test_allowed_row_names_the_clauses_that_grant_it(client: Client, ada: User) -> None:
    version = make_version(actor=ada)
    rows = {row["use"]: row for row in licence_card(version)["rows"]}
    granted = rows["selling-weights"]["granted_by"]
    assert {reason["component"] for reason in granted} == {"Tinybase", "ada/style v1"}
    assert all(reason["licence"] == "apache-2.0" and reason["clause"] for reason in granted)
    text = _text(client)
    assert f'<a href="/licences/apache-2.0">apache-2.0</a> {granted[0]["clause"]}' in text
    assert "Nothing stands against it" not in text


def test_narrowed_row_names_what_narrows_it_and_no_grant(client: Client, ada: User) -> None:
    version = make_version(actor=ada, declared={"commercial_use": ()})
    (row,) = (row for row in licence_card(version)["rows"] if row["use"] == "selling-weights")
    assert row["outcome"] == "deny"
    assert "granted_by" not in row
    assert row["narrowed_by"][0]["message"] in " ".join(client.get("/ada/style").content.decode().split())


def test_base_without_published_weights_has_no_snippet() -> None:
    make_submitted(actor=make_user("ada"))
    for base in BaseModel.objects.all():
        version = Version(base_model=base, kind="lora", strength=1.0)
        snippets = usage_snippets(version=version, filename="a.safetensors", site="")
        assert bool(snippets) is (base.slug != "flux-1-pro"), base.slug
        assert "none:" not in "".join(snippet.code for snippet in snippets)


def test_maintainer_is_told_to_publish_and_a_member_to_ask(client: Client, ada: User) -> None:
    mem = make_user("mem")
    studio = make_organisation(ada, members={"member": mem})
    make_version(actor=mem, namespace=studio.namespace)
    text = _text(client, "/studio/style")
    assert "publish it with the button under Manage" in text
    assert "Ask a maintainer" not in text
    client.force_login(mem)
    text = _text(client, "/studio/style")
    assert "Ask a maintainer" in text
    assert "button under Manage" not in text


def test_decision_is_not_promised_to_stand_below(ada: User) -> None:
    remedy = make_version(actor=ada, declared=HELD).state_detail["remedy"]
    assert "below" not in remedy
    assert "A moderator decides" in remedy
