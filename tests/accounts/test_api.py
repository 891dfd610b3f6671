"""Accounts in the API: who am I, tokens, organisations and members; every error is a problem document."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from accounts.services import token_find
from tests.factories.accounts import make_organisation, make_token, make_user

pytestmark = pytest.mark.django_db
Call = Any


@pytest.fixture
def ada() -> User:
    return make_user(display_name="Ada L.")


@pytest.fixture
def call(client: Client, ada: User) -> Call:
    """Calls the API as ada, with a token of all scopes."""
    _, secret = make_token(ada)

    def make(method: str, path: str, body: object = None) -> HttpResponse:
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {secret}"}
        return getattr(client, method)(f"/api/v1/{path}", headers=headers, **sent)

    return make


def test_me_says_who_calls(call: Call) -> None:
    assert call("get", "me").json() == {
        "id": User.objects.get(username="ada").pk,
        "username": "ada",
        "display_name": "Ada L.",
        "email": "ada@example.org",
        "is_moderator": False,
    }


@pytest.mark.parametrize("path", ["me", "tokens", "organisations", "organisations/studio/members"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_guest_is_asked_for_a_token(path: str, method: str, client: Client, ada: User) -> None:
    make_organisation(ada)
    response = getattr(client, method)(f"/api/v1/{path}")
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in response.json()["remedy"]


def test_session_of_the_browser_serves_too_but_not_from_another_site(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.get("/api/v1/me").status_code == 200
    body = json.dumps({"slug": "studio", "display_name": "S"})
    response = client.post("/api/v1/organisations", data=body, content_type="application/json")
    assert response.status_code == 403


def test_tokens_made_listed_and_revoked(call: Call, ada: User) -> None:
    made = call("post", "tokens", {"name": "ci", "scopes": ["read"], "days": 7})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert token_find(secret=secret) is not None
    listed = call("get", "tokens").json()
    assert [token["name"] for token in listed] == ["ci", "test"]
    assert all("secret" not in token and "digest" not in token for token in listed)
    assert secret not in json.dumps(listed)
    assert call("delete", f"tokens/{made.json()['id']}").status_code == 204
    assert token_find(secret=secret) is None
    assert [token["name"] for token in call("get", "tokens").json()] == ["test"]


def test_token_of_somebody_else_is_not_there(call: Call) -> None:
    theirs, secret = make_token(make_user("eve"))
    assert call("delete", f"tokens/{theirs.pk}").status_code == 404
    assert token_find(secret=secret) is not None


BAD = [
    # method, path, body, status, the field that the problem names
    ("post", "tokens", {}, 400, "name"),
    ("post", "tokens", {"name": "t", "scopes": []}, 400, "scopes"),
    ("post", "tokens", {"name": "t", "scopes": ["all"]}, 400, "scopes"),
    ("post", "tokens", {"name": "t", "scopes": ["read"], "days": 0}, 400, "days"),
    ("post", "tokens", {"name": "t", "scopes": ["read"], "days": 99999999999999}, 400, "days"),
    ("post", "tokens", {"name": "a\0", "scopes": ["read"]}, 400, "name"),
    ("post", "organisations", {"slug": "A b", "display_name": "S"}, 400, "slug"),
    ("post", "organisations", {"slug": "s\n", "display_name": ""}, 400, "display_name"),
    ("post", "organisations/studio/members", {"username": "ada", "role": "boss"}, 400, "role"),
    ("delete", "organisations/studio/members", {}, 400, "username"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD)
def test_bad_request_is_a_problem_that_names_the_field(
    method: str, path: str, body: object, status: int, field: str, call: Call, ada: User
) -> None:
    make_organisation(ada)
    response = call(method, path, body)
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert response["Content-Type"] == "application/problem+json"
    assert field in problem["errors"]
    assert problem["remedy"]
    assert problem["type"].startswith("/problems/")


REFUSED = [
    ("post", "organisations", {"slug": "ada", "display_name": "S"}, 409, "name-taken"),
    ("post", "organisations", {"slug": "api", "display_name": "S"}, 409, "name-taken"),
    ("post", "organisations", {"slug": "stu.dio", "display_name": "S"}, 409, "name-taken"),
    ("post", "organisations/stu-dio/members", {"username": "nobody", "role": "reader"}, 404, "not-found"),
    ("post", "organisations/stu-dio/members", {"username": "ada", "role": "reader"}, 409, "last-owner"),
    ("delete", "organisations/stu-dio/members", {"username": "ada"}, 409, "last-owner"),
    ("get", "organisations/other/members", None, 404, "not-found"),
    ("get", "organisations/absent/members", None, 404, "not-found"),
    ("get", "organisations/%00/members", None, 404, "not-found"),
    ("delete", "tokens/999999", None, 404, "not-found"),
    ("put", "me", {}, 405, "method-not-allowed"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_refusal_is_a_problem_with_its_code_and_page(
    method: str, path: str, body: object, status: int, code: str, call: Call, ada: User, client: Client
) -> None:
    make_organisation(ada, slug="stu-dio")
    make_organisation(make_user("eve"), slug="other")
    response = call(method, path, body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["remedy"]
    assert client.get(problem["type"]).status_code == 200


def test_body_that_is_no_json_is_a_problem(client: Client, ada: User) -> None:
    _, secret = make_token(ada)
    headers = {"Authorization": f"Bearer {secret}"}
    for content, kind, status in (("{", "application/json", 400), ("a=b", "text/plain", 415)):
        response = client.post("/api/v1/organisations", data=content, content_type=kind, headers=headers)
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"


def test_organisation_and_its_members(call: Call) -> None:
    make_user("ben")
    made = call("post", "organisations", {"slug": "studio", "display_name": "The Studio"})
    assert (made.status_code, made.json()["slug"]) == (201, "studio")
    assert [found["slug"] for found in call("get", "organisations").json()] == ["studio"]
    added = call("post", "organisations/studio/members", {"username": "Ben", "role": "member"})
    assert (added.status_code, added.json()) == (201, {"username": "ben", "role": "member"})
    members = call("get", "organisations/studio/members").json()
    assert members == [{"username": "ada", "role": "owner"}, {"username": "ben", "role": "member"}]
    assert call("delete", "organisations/studio/members", {"username": "ben"}).status_code == 204
    assert call("get", "organisations/studio/members").json() == members[:1]


@pytest.mark.parametrize("role", ["maintainer", "member", "reader"])
def test_members_of_lower_roles_read_and_manage_nothing(role: str, call: Call, ada: User) -> None:
    make_organisation(make_user("eve"), slug="other", members={role: ada})
    assert call("get", "organisations/other/members").status_code == 200
    response = call("post", "organisations/other/members", {"username": "ada", "role": "owner"})
    assert (response.status_code, response.json()["code"]) == (403, "not-permitted")
    assert call("delete", "organisations/other/members", {"username": "eve"}).status_code == 403
    assert call("delete", "organisations/other/members", {"username": "ada"}).status_code == 204


def test_answers_announce_the_rate_limit(call: Call, client: Client) -> None:
    response = call("get", "me")
    assert int(response["RateLimit-Remaining"]) == int(response["RateLimit-Limit"]) - 1
    assert int(call("get", "me")["RateLimit-Remaining"]) == int(response["RateLimit-Limit"]) - 2
    assert client.get("/api/v1/licences")["RateLimit-Limit"] != response["RateLimit-Limit"]  # a guest's bucket
