"""Facts in the API: one's own, those of an organisation, and for one call at the gate; unknown keys are refused."""

from typing import Any

import pytest
from django.test import Client

from governance.models import AuditEntry, DecisionRecord
from governance.policy import ActorFacts
from governance.selectors import actor_facts, standing_use
from governance.services import actor_profile_update, standing_use_remember
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db

FACTS = {"annual_revenue_usd": 5, "territory": "jp", "registered_with": [], "receives_payment": False}
JSON = "application/json"


def _as(user: Any, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, list(scopes) or None)[1]}"}


def test_facts_are_stated_read_and_replaced(client: Client) -> None:
    ada = make_user()
    headers = _as(ada)
    silent = client.get("/api/v1/facts", headers=headers).json()
    assert set(silent.values()) == {None}
    answer = client.put("/api/v1/facts", FACTS, content_type=JSON, headers=headers)
    assert answer.status_code == 200
    stated = {**silent, **FACTS, "territory": "JP"}
    assert answer.json() == client.get("/api/v1/facts", headers=headers).json() == stated
    assert actor_facts(actor=ada) == ActorFacts(5, None, "JP", frozenset(), False)
    assert client.put("/api/v1/facts", stated, content_type=JSON, headers=headers).json() == stated
    client.put("/api/v1/facts", {"monthly_users": 1}, content_type=JSON, headers=headers)
    assert actor_facts(actor=ada) == ActorFacts(monthly_users=1)
    assert AuditEntry.objects.filter(action="facts.stated").count() == 3


def test_facts_leave_the_usual_use_alone(client: Client) -> None:
    from governance.policy import Use

    ada = make_user()
    standing_use_remember(actor=ada, organisation=None, use=Use.RESEARCH)
    client.put("/api/v1/facts", FACTS, content_type=JSON, headers=_as(ada))
    assert standing_use(actor=ada) == "research"


def test_facts_of_an_organisation_are_for_who_administers_it(client: Client) -> None:
    ada, bob = make_user(), make_user("bob")
    studio = make_organisation(ada, members={"maintainer": bob})
    address = "/api/v1/facts?organisation=studio"
    assert client.put(address, FACTS, content_type=JSON, headers=_as(ada)).status_code == 200
    assert actor_facts(actor=ada, organisation=studio).territory == "JP"
    assert actor_facts(actor=ada) == ActorFacts()
    for user, status in ((bob, 403), (make_user("eve"), 404)):
        assert client.get(address, headers=_as(user)).status_code == status
        assert client.put(address, FACTS, content_type=JSON, headers=_as(user)).status_code == status


def test_facts_need_somebody_and_a_scope(client: Client) -> None:
    assert client.get("/api/v1/facts").status_code == 401
    assert client.put("/api/v1/facts", FACTS, content_type=JSON, headers=_as(make_user(), "read")).status_code == 403


@pytest.mark.parametrize(
    "facts", [{"annual_revenue_usd": 10**16}, {"territory": "XX"}, {"revenue": 1}, {"receives_payment": "maybe"}]
)
def test_broken_facts_are_refused_and_change_nothing(client: Client, facts: dict[str, Any]) -> None:
    ada = make_user()
    answer = client.put("/api/v1/facts", facts, content_type=JSON, headers=_as(ada))
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == set(facts)
    assert actor_facts(actor=ada) == ActorFacts()


def test_gate_takes_facts_for_one_call_over_those_on_record(client: Client) -> None:
    make_version(actor=make_user(), declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    bob = make_user("bob")
    address, headers = "/api/v1/adapters/ada/style/versions/1/download", _as(bob)
    ask: dict[str, Any] = {"use": "redistribution"}
    silent = client.post(address, ask, content_type=JSON, headers=headers)
    assert (silent.status_code, silent.json()["code"]) == (403, "needs-facts")
    told = {**ask, "facts": {"receives_payment": False}}
    answer = client.post(address, told, content_type=JSON, headers=headers)
    assert answer.status_code == 200
    assert DecisionRecord.objects.latest("pk").request["actor"] == {"receives_payment": False}
    assert actor_facts(actor=bob) == ActorFacts()
    digest = answer.json()["terms"]["digest"]
    taken = client.post(address, {**told, "accepted_terms": digest}, content_type=JSON, headers=headers)
    assert taken.json()["download_url"]
    actor_profile_update(actor=bob, organisation=None, facts={"receives_payment": False, "monthly_users": 3})
    paid = client.post(address, {**ask, "facts": {"receives_payment": True}}, content_type=JSON, headers=headers)
    assert paid.status_code == 403
    assert DecisionRecord.objects.latest("pk").request["actor"] == {"receives_payment": True, "monthly_users": 3}


BASE = {"role": "base", "licence_id": "mit"}
UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    ("decisions/check", {"use": "personal", "components": [BASE], "facts": {}}, "facts"),
    ("decisions/check", {"use": "personal", "components": [{"role": "base", "licence": "mit"}]}, "licence"),
    ("decisions/check", {"use": "personal", "components": [{**BASE, "flags": {"sell": True}}]}, "sell"),
    ("decisions/check", {"use": "personal", "components": [BASE], "actor": {"revenue": 1}}, "revenue"),
    ("adapters/ada/style/versions/1/download", {"use": "personal", "terms": "x"}, "terms"),
    ("adapters/ada/style/versions/1/download", {"use": "personal", "facts": {"users": 1}}, "users"),
    ("adapters/ada/style/versions", {"licence": "mit"}, "licence"),
]


@pytest.mark.parametrize(("path", "body", "key"), UNKNOWN, ids=[f"{row[0]} {row[2]}" for row in UNKNOWN])
def test_unknown_key_is_refused_by_its_name(client: Client, path: str, body: dict[str, Any], key: str) -> None:
    ada = make_user()
    make_version(actor=ada)
    before = DecisionRecord.objects.count()
    answer = client.post(f"/api/v1/{path}", body, content_type=JSON, headers=_as(ada))
    assert answer.status_code == 400
    assert f"'{key}': ['There is no such key" in str(answer.json()["errors"])
    assert DecisionRecord.objects.count() == before


def test_misspelt_key_is_told_the_right_one(client: Client) -> None:
    body = {"use": "personal", "components": [{"role": "base", "licence": "mit"}]}
    answer = client.post("/api/v1/decisions/check", body, content_type=JSON)
    assert "Did you mean licence_id?" in str(answer.json()["errors"])
