"""API tokens: shown once, stored hashed, held to their scopes, and dead the moment they should be."""

import json
import zlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import ApiToken
from accounts.scopes import MEANINGS, Scope
from accounts.services import ALPHABET, token_create, token_digest, token_find, token_revoke
from tests.factories.accounts import make_organisation, make_token, make_user

pytestmark = pytest.mark.django_db


def _ask(client: Client, secret: str, method: str = "get", path: str = "/api/v1/me", body: object = None) -> int:
    sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    response = getattr(client, method)(path, headers={"Authorization": f"Bearer {secret}"}, **sent)
    if response.status_code >= 400:
        problem = response.json()
        assert response["Content-Type"] == "application/problem+json"
        assert problem["detail"]
        assert problem["remedy"]
    return int(response.status_code)


def test_secret_is_stored_as_its_digest_only() -> None:
    token, secret = make_token(make_user())
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert row["digest"] == token_digest(secret)
    assert all(secret not in str(value) for value in row.values())
    assert secret.startswith(row["prefix"])
    assert len(row["prefix"]) <= 10  # too few characters to guess the rest from


def test_secret_carries_a_checksum_that_scanners_can_verify() -> None:
    _, secret = make_token(make_user())
    body, checksum = secret.removeprefix("reg_")[:34], secret[-6:]
    assert secret == f"reg_{body}{checksum}"
    assert sum(ALPHABET.index(digit) * 62**place for place, digit in enumerate(checksum)) == zlib.crc32(body.encode())


def test_secrets_differ() -> None:
    ada = make_user()
    assert len({make_token(ada)[1] for _ in range(50)}) == 50


def test_token_answers_for_its_owner(client: Client) -> None:
    _, secret = make_token(make_user())
    assert token_find(secret=secret).user.username == "ada"  # type: ignore[union-attr]
    assert _ask(client, secret) == 200


@pytest.mark.parametrize("wrong", ["", "reg_", "x" * 44, "reg_" + "0" * 40, "größe", "a b"])
def test_wrong_secret_is_an_error_and_no_guest(wrong: str, client: Client) -> None:
    make_token(make_user())
    assert token_find(secret=wrong) is None
    response = client.get("/api/v1/adapters", headers={"Authorization": f"Bearer {wrong}".encode().decode("latin-1")})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_token_differs_by_case() -> None:
    _, secret = make_token(make_user())
    assert token_find(secret=secret.swapcase()) is None


def test_revoked_token_ends_at_once(client: Client) -> None:
    ada = make_user()
    token, secret = make_token(ada)
    assert _ask(client, secret) == 200
    token_revoke(actor=ada, token=token)
    assert _ask(client, secret) == 401
    first = ApiToken.objects.get(pk=token.pk).revoked_at
    token_revoke(actor=ada, token=token)
    assert ApiToken.objects.get(pk=token.pk).revoked_at == first


def test_token_of_somebody_else_not_revoked() -> None:
    token, secret = make_token(make_user("ada"))
    with pytest.raises(NotPermitted):
        token_revoke(actor=make_user("eve"), token=token)
    assert token_find(secret=secret) is not None


def test_token_ends_with_its_time(client: Client) -> None:
    token, secret = token_create(user=make_user(), name="t", scopes=["read"], lifetime=timedelta(days=1))
    assert timedelta(hours=23) < token.expires_at - timezone.now() <= timedelta(days=1)  # type: ignore[operator]
    assert _ask(client, secret) == 200
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    assert _ask(client, secret) == 401


def test_token_of_an_inactive_person_is_dead(client: Client) -> None:
    ada = make_user()
    _, secret = make_token(ada)
    ada.is_active = False
    ada.save()
    assert _ask(client, secret) == 401
    ada.is_active = True
    ada.save()
    assert _ask(client, secret) == 200


def test_last_use_noted_but_not_at_every_call(client: Client) -> None:
    token, secret = make_token(make_user())
    assert _ask(client, secret) == 200
    first = ApiToken.objects.get(pk=token.pk).last_used_at
    assert first is not None
    assert _ask(client, secret) == 200
    assert ApiToken.objects.get(pk=token.pk).last_used_at == first
    earlier = timezone.now() - timedelta(hours=1)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=earlier)
    assert _ask(client, secret) == 200
    assert ApiToken.objects.get(pk=token.pk).last_used_at > earlier  # type: ignore[operator]


def test_scopes_are_known_ones_each_once() -> None:
    ada = make_user()
    token, _ = token_create(user=ada, name="t", scopes=["write", "read", "write"])
    assert token.scopes == ["read", "write"]
    with pytest.raises(ValueError, match="everything"):
        token_create(user=ada, name="t", scopes=["everything"])
    assert set(MEANINGS) == set(Scope)


CALLS = [
    # method, path, body, the one scope that the call needs
    ("get", "/api/v1/me", None, "read"),
    ("get", "/api/v1/organisations", None, "read"),
    ("get", "/api/v1/organisations/studio/members", None, "read"),
    ("get", "/api/v1/adapters", None, "read"),
    ("get", "/api/v1/licences", None, "read"),
    ("get", "/api/v1/decisions", None, "read"),
    ("post", "/api/v1/organisations", {"slug": "second", "display_name": "Second"}, "admin"),
    ("post", "/api/v1/organisations/studio/members", {"username": "ben", "role": "reader"}, "admin"),
    ("delete", "/api/v1/organisations/studio/members", {"username": "ben"}, "admin"),
    ("get", "/api/v1/tokens", None, "admin"),
    ("post", "/api/v1/tokens", {"name": "t", "scopes": ["admin"]}, "admin"),
    ("delete", "/api/v1/tokens/1", None, "admin"),
    ("post", "/api/v1/uploads", None, "write"),
    ("patch", "/api/v1/adapters/ada/style", {"title": "T"}, "write"),
    ("post", "/api/v1/adapters/ada/style/versions", {}, "write"),
    ("post", "/api/v1/adapters/ada/style/versions/1/download", {}, "download"),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), CALLS, ids=[f"{m} {p}" for m, p, *_ in CALLS])
def test_call_needs_its_scope(method: str, path: str, body: object, needed: str, client: Client) -> None:
    ada = make_user()
    make_user("ben")
    make_organisation(ada)
    others = [scope.value for scope in Scope if scope.value != needed]
    _, without = token_create(user=ada, name="t", scopes=others)
    assert _ask(client, without, method, path, body) == 403
    _, only = token_create(user=ada, name="t", scopes=[needed])
    assert _ask(client, only, method, path, body) not in {401, 403}


def test_token_without_scopes_reads_nothing(client: Client) -> None:
    _, secret = token_create(user=make_user(), name="t", scopes=[])
    assert _ask(client, secret, path="/api/v1/adapters") == 403


def test_token_makes_no_token_that_may_more_than_itself(client: Client) -> None:
    ada = make_user()
    _, secret = token_create(user=ada, name="t", scopes=["admin", "read"])
    wanted = {"name": "more", "scopes": ["admin", "download"]}
    assert _ask(client, secret, "post", "/api/v1/tokens", wanted) == 403
    assert ada.api_tokens.count() == 1
    assert _ask(client, secret, "post", "/api/v1/tokens", {"name": "less", "scopes": ["read"]}) == 201


def test_token_is_no_session_for_pages(client: Client) -> None:
    _, secret = make_token(make_user())
    assert client.get("/account", headers={"Authorization": f"Bearer {secret}"}).status_code == 302
