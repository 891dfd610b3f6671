"""The API: the catalogue with ETags, questions without a record, decisions for those who took part in them."""

import uuid
from typing import Any

import pytest
from django.test import Client

from governance.models import AuditEntry, DecisionRecord
from governance.rulebook import current_ruleset
from governance.services import audit_append
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.governance.conftest import Recorder

pytestmark = pytest.mark.django_db


def _as(user: Any, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, list(scopes) or None)[1]}"}


def test_licences_are_listed_with_the_ruleset_and_an_etag(client: Client) -> None:
    response = client.get("/api/v1/licences")
    body = response.json()
    assert [item["id"] for item in body["items"]] == sorted(current_ruleset().licences)
    assert body["ruleset_digest"] == current_ruleset().digest
    again = client.get("/api/v1/licences", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("licence_id", sorted(current_ruleset().licences))
def test_licence_has_its_claims_with_clauses(client: Client, licence_id: str) -> None:
    body = client.get(f"/api/v1/licences/{licence_id}").json()
    licence = current_ruleset().licences[licence_id]
    assert {claim["use"]: claim["clause"] for claim in body["claims"]} == {
        use.value: claim.clause for use, claim in licence.claims.items()
    }
    assert body["terms_digest"] == licence.terms_digest
    assert len(body["obligations"]) == len(licence.duties)


def test_licence_by_its_spdx_id_and_unknown(client: Client) -> None:
    assert client.get("/api/v1/licences/Apache-2.0").json()["id"] == "apache-2.0"
    response = client.get("/api/v1/licences/gpl")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


QUESTION: dict[str, Any] = {
    "use": "selling-weights",
    "components": [
        {"role": "base", "licence_id": "flux-1-dev-nc-1.1.1", "name": "FLUX"},
        {"role": "adapter", "licence_id": "apache-2.0", "flags": {"commercial_use": ["sell"]}},
    ],
}


def test_check_answers_and_records_nothing(client: Client) -> None:
    before = (DecisionRecord.objects.count(), AuditEntry.objects.count())
    response = client.post("/api/v1/decisions/check", QUESTION, content_type="application/json")
    assert response.status_code == 200
    body = response.json()
    assert body["outcome"] == "deny"
    assert body["reasons"][0]["clause"] == "§1c, §2b"
    assert "RateLimit-Remaining" in response
    assert (DecisionRecord.objects.count(), AuditEntry.objects.count()) == before


def test_check_takes_facts_flags_and_disputed_models(client: Client) -> None:
    base = {"role": "base", "licence_id": "stability-community-2024-07"}
    question = {"use": "commercial-outputs", "components": [base]}
    silent = client.post("/api/v1/decisions/check", question, content_type="application/json").json()
    assert silent["outcome"] == "review"
    assert {asked["fact"] for asked in silent["questions"]} >= {"annual_revenue_usd", "registered_with"}
    facts = {"annual_revenue_usd": 10, "registered_with": ["stability-ai"], "trains_competing_model": False}
    told = client.post("/api/v1/decisions/check", {**question, "actor": facts}, content_type="application/json").json()
    assert told["outcome"] == "allow"
    turbo = {"use": "hosted-service", "components": [{"role": "base", "model": "sdxl-turbo"}]}
    disputed = client.post("/api/v1/decisions/check", turbo, content_type="application/json").json()
    assert disputed["outcome"] == "deny"
    assert disputed["reasons"][0]["component"] == "SDXL-Turbo"
    assert "licence-disputed" in {reason["code"] for reason in disputed["reasons"]}


WRONG = [
    {**QUESTION, "use": "flying"},
    {**QUESTION, "use": "publish"},
    {**QUESTION, "components": []},
    {**QUESTION, "components": [{"role": "adapter", "licence_id": "mit"}]},
    {**QUESTION, "components": [{"role": "base", "model": "nobody-knows"}]},
    {**QUESTION, "components": [{"role": "base", "flags": {"commercial_use": ["all"]}}]},
    {**QUESTION, "components": [{"role": "base"}] * 51},
    {**QUESTION, "actor": {"territory": "XX"}},
    {**QUESTION, "actor": {"annual_revenue_usd": -1}},
    {"use": "personal"},
]


@pytest.mark.parametrize("question", WRONG, ids=range(len(WRONG)))
def test_check_of_a_broken_question_says_what_is_wrong(client: Client, question: dict[str, Any]) -> None:
    response = client.post("/api/v1/decisions/check", question, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"]


def test_check_with_a_token_needs_the_scope_to_read(client: Client) -> None:
    ada = make_user()
    for scope, status in (("read", 200), ("write", 403)):
        response = client.post(
            "/api/v1/decisions/check", QUESTION, content_type="application/json", headers=_as(ada, scope)
        )
        assert response.status_code == status


def test_decisions_need_somebody(client: Client) -> None:
    response = client.get("/api/v1/decisions")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_decisions_are_mine_newest_first_in_pages(client: Client, record: Recorder) -> None:
    ada, headers = make_user(), {}
    made = [str(record(ada).public_id) for _ in range(5)]
    record(make_user("eve"))
    headers = _as(ada)
    seen: list[str] = []
    address = "/api/v1/decisions?limit=2"
    for _ in range(3):
        body = client.get(address, headers=headers).json()
        seen += [item["id"] for item in body["items"]]
        address = f"/api/v1/decisions?limit=2&cursor={body['next_cursor']}"
    assert seen == made[::-1]
    assert body["next_cursor"] == ""


NOWHERE = "cursor=00000000-0000-4000-8000-00000000abcd"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", NOWHERE])
def test_decisions_with_a_wrong_page_say_so(client: Client, query: str) -> None:
    response = client.get(f"/api/v1/decisions?{query}", headers=_as(make_user()))
    assert response.status_code == 400
    assert query.split("=")[0] in response.json()["errors"]


def test_cursor_of_another_person_is_refused(client: Client, record: Recorder) -> None:
    theirs = record(make_user("eve"))
    response = client.get(f"/api/v1/decisions?cursor={theirs.public_id}", headers=_as(make_user()))
    assert response.status_code == 400


def test_decision_is_for_those_who_took_part(client: Client, record: Recorder) -> None:
    ada, ben, eve = make_user(), make_user("ben"), make_user("eve")
    made = record(ada, make_organisation(ada, members={"reader": ben}))
    address = f"/api/v1/decisions/{made.public_id}"
    for reader in (ada, ben):
        response = client.get(address, headers=_as(reader))
        assert response.json()["ruleset_digest"] == made.ruleset_digest
        assert response.json()["organisation"] == "studio"
        assert response["ETag"]
    closed = client.get(address, headers=_as(eve))
    absent = client.get(f"/api/v1/decisions/{uuid.uuid4()}", headers=_as(eve))
    assert closed.status_code == absent.status_code == 404
    assert closed.json()["code"] == absent.json()["code"] == "not-found"
    assert client.get(address).status_code == 404


def test_audit_head_is_the_newest_link(client: Client) -> None:
    assert client.get("/api/v1/audit-head").status_code == 404
    entry = audit_append(actor=None, action="a", subject=("t", "1"))
    body = client.get("/api/v1/audit-head").json()
    assert (body["sequence"], body["hash"]) == (entry.sequence, entry.hash)
