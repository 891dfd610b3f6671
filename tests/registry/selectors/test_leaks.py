"""What may not be seen is in no search, no count, no list and no answer of "may I?"."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse

from accounts.models import User
from registry.models import Version
from registry.models.adapters import Visibility
from registry.selectors.search import AdapterQuery, adapter_facets, adapter_search
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version

pytestmark = pytest.mark.django_db
SECRET = "quokka"  # in the name, title, description, tags and trigger words of what may not be seen
ABOUT: dict[str, Any] = {
    "name": SECRET, "title": SECRET, "description": SECRET, "tags": [SECRET], "content_level": "mature",
    "declared": {"trigger_words": (SECRET,), "notes": SECRET},
}  # fmt: skip
HIDDEN = ["private", "organisation", "scanning", "in-review", "refused", "quarantined", "withdrawn", "taken-down"]


def _hidden(how: str) -> Version:
    """A version of the organisation `studio` that strangers may not find."""
    owner = make_user("owner")
    members = {role: make_user(role) for role in ("maintainer", "member", "reader")}
    studio = make_organisation(owner, "studio", members)
    given = {**ABOUT, "actor": owner, "namespace": studio.namespace}
    if how == "scanning":
        return make_submitted(**given)
    if how in Visibility.values:
        return make_version(**given, visibility=how)
    if how in {"in-review", "refused"}:
        version = make_version(**{**given, "declared": {**ABOUT["declared"], "depicts_real_person": True}})
    else:
        version = make_version(**given)
    if version.state != how:
        version_transition(version=version, to=VersionState(how), actor=None)
    return version


def _seen(actor: Any) -> tuple[list[str], dict[str, list[str]]]:
    names = []
    for sort in ("newest", "downloads", "rating", "relevance"):
        for text in ("", SECRET):
            page = adapter_search(actor=actor, query=AdapterQuery(text=text, sort=sort))
            names += [adapter.name for adapter in page.adapters]
    facets, _ = adapter_facets(actor=actor, query=AdapterQuery())
    return names, {name: [facet.value for facet in values] for name, values in facets.items() if values}


@pytest.mark.parametrize("how", HIDDEN)
def test_strangers_find_and_count_nothing(how: str) -> None:
    _hidden(how)
    for actor in (AnonymousUser(), make_user("stranger"), make_user("mona", is_moderator=True)):
        names, facets = _seen(actor)
        assert names == []
        assert facets == {}


LISTS = ["home", "browse", "api_adapters", "api_facets", "may_i"]


@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("who", ["guest", "stranger"])
def test_no_list_tells_of_it(client: Client, how: str, who: str) -> None:
    version = _hidden(how)
    if who == "stranger":
        client.force_login(make_user("stranger"))
    asked = [{}, {"tag": SECRET}, {"creator": "studio"}, {"level": "mature"}, {"adapter": version.adapter_id}]
    for name in LISTS:
        for parameters in asked:
            content = client.get(reverse(name), parameters).content.decode()
            shown = content.replace(f"value=&quot;{SECRET}", "").replace(f"tag={SECRET}", "")
            assert f"/{SECRET}" not in shown, (name, parameters)
            if "tag" not in parameters:
                assert SECRET not in shown, (name, parameters)
    counts = client.get(reverse("api_facets")).json()["facets"]
    assert not any(counts.values())


CSRF_TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")


def _content(client: Client, name: str, **parameters: Any) -> str:
    return CSRF_TOKEN.sub("token", client.get(reverse(name), parameters).content.decode())


@pytest.mark.parametrize("how", HIDDEN)
def test_search_for_it_answers_like_a_search_for_nothing(client: Client, how: str) -> None:
    _hidden(how)
    for name in LISTS:
        secret, nothing = _content(client, name, q=SECRET), _content(client, name, q="aaaaaa")
        assert secret.replace(SECRET, "word") == nothing.replace("aaaaaa", "word"), name


@pytest.mark.parametrize("how", HIDDEN)
def test_may_i_takes_it_for_nothing(client: Client, how: str) -> None:
    version = _hidden(how)
    asked = {"use": "personal", "adapter": version.adapter_id}
    answer = client.get(reverse("may_i"), asked)
    absent = client.get(reverse("may_i"), {**asked, "adapter": 987_654_321})
    for response in (answer, absent):
        assert response.context["chosen"] == []
        assert response.context["decision"] is None
    assert _content(client, "may_i", **asked) == _content(client, "may_i", **{**asked, "adapter": 987_654_321})


WITHIN = {
    "private": {"owner": True, "maintainer": True, "member": False, "reader": False},
    "organisation": dict.fromkeys(["owner", "maintainer", "member", "reader"], True),
}


@pytest.mark.parametrize("how", WITHIN)
@pytest.mark.parametrize("role", ["owner", "maintainer", "member", "reader"])
def test_inside_the_walls_it_is_found_by_whom_it_is_for(how: str, role: str) -> None:
    _hidden(how)
    names, facets = _seen(User.objects.get(username=role))
    assert (SECRET in names) is WITHIN[how][role]
    assert bool(facets) is WITHIN[how][role]


@pytest.mark.parametrize("visibility", list(Visibility))
@pytest.mark.parametrize("state", ["quarantined", "taken-down", "withdrawn"])
def test_held_back_adapter_is_not_found_by_readers_of_its_organisation(visibility: str, state: str) -> None:
    version = _hidden(visibility)
    version_transition(version=version, to=VersionState(state), actor=None)
    names, facets = _seen(User.objects.get(username="reader"))
    assert names == []
    assert facets == {}


@pytest.mark.parametrize("state", ["taken-down", "quarantined"])
def test_held_back_words_are_not_told_by_the_adapter_itself(client: Client, state: str) -> None:
    version = make_version(actor=make_user("ada"), **{**ABOUT, "name": "plain", "title": "Plain"})
    version_transition(version=version, to=VersionState(state), actor=None)
    for address in (
        reverse("adapter", args=["ada", "plain"]),
        reverse("version", args=["ada", "plain", 1]),
        reverse("previews", args=["ada", "plain", 1]),
        reverse("api_adapter", args=["ada", "plain"]),
        reverse("api_versions", args=["ada", "plain"]),
        reverse("api_version", args=["ada", "plain", 1]),
    ):
        assert SECRET not in client.get(address).content.decode(), address


def test_versions_of_an_adapter_are_those_that_one_may_read(client: Client) -> None:
    ada = make_user("ada")
    make_version(actor=ada)
    make_version(actor=ada, declared={"depicts_real_person": True, "label": SECRET})
    make_submitted(actor=ada, declared={"label": SECRET})
    for who in ("guest", "stranger"):
        if who == "stranger":
            client.force_login(make_user("stranger"))
        listed = client.get(reverse("api_versions", args=["ada", "style"])).json()
        assert [version["number"] for version in listed] == [1]
        page = client.get(reverse("adapter", args=["ada", "style"])).content.decode()
        assert SECRET not in page
        assert "Version 2" not in page
    client.force_login(ada)
    listed = client.get(reverse("api_versions", args=["ada", "style"])).json()
    assert [version["number"] for version in listed] == [3, 2, 1]


def test_reasons_of_a_publication_are_not_for_the_public(client: Client) -> None:
    version = make_version(actor=make_user("ada"))
    answer = client.get(reverse("api_version", args=["ada", "style", 1])).json()
    assert "decision" not in answer
    assert version.decision is not None
    page = client.get(reverse("version", args=["ada", "style", 1])).content.decode()
    assert str(version.decision.public_id) not in page
    assert "Decision about its publication" not in page
    assert json.dumps(version.decision.reasons[0]["message"]) not in json.dumps(answer)
