"""Receipts for programs: with a token that may read or download, for their holder alone."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.policy import Use
from registry.models import Receipt
from registry.services.delivery import gate_accept, gate_ask
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
PAGES = ("receipt", "receipt_notice", "receipt_sidecars")
API = ("api_receipt", "api_receipt_notice", "api_receipt_sidecars")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def receipt(bob: User) -> Receipt:
    asked = {"actor": bob, "organisation": None, "version": make_version(actor=make_user("ada")), "use": Use.PERSONAL}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)  # type: ignore[arg-type]


def _program(user: User, *scopes: str) -> Client:
    _, secret = make_token(user, list(scopes))
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.mark.parametrize("scope", ["read", "download"])
@pytest.mark.parametrize("names", [PAGES, API], ids=["pages", "api"])
def test_token_that_may_read_or_download_gets_both_papers(
    scope: str, names: tuple[str, ...], receipt: Receipt, bob: User
) -> None:
    program = _program(bob, scope)
    body, notice = (program.get(reverse(name, args=[receipt.pk])) for name in names[:2])
    assert (body.status_code, notice.status_code) == (200, 200)
    assert body.json() == receipt.body
    assert notice.content.decode() == receipt.notice
    assert notice["Content-Type"] == "text/plain; charset=utf-8"
    assert "no-store" in body["Cache-Control"]


@pytest.mark.parametrize("name", [*PAGES, *API])
def test_other_scopes_and_wrong_tokens_get_none(name: str, receipt: Receipt, bob: User) -> None:
    address = reverse(name, args=[receipt.pk])
    assert _program(bob, "write", "admin").get(address).status_code == 403
    wrong = Client(headers={"Authorization": "Bearer reg_nothing"}).get(address)
    assert wrong.status_code == 401
    assert wrong["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", [*PAGES, *API])
def test_receipt_of_somebody_else_is_like_none(name: str, receipt: Receipt) -> None:
    program = _program(make_user("eve"), "read", "download")
    theirs, none = (program.get(reverse(name, args=[pk])) for pk in (receipt.pk, uuid.uuid4()))
    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.content == none.content


def test_guest_is_sent_to_sign_in_by_pages_and_refused_by_the_api(receipt: Receipt, client: Client) -> None:
    for name in PAGES:
        assert client.get(reverse(name, args=[receipt.pk])).status_code == 302
    for name in API:
        assert client.get(reverse(name, args=[receipt.pk])).status_code == 401


@pytest.mark.parametrize("name", [*PAGES, *API])
def test_session_gets_it_as_before(name: str, receipt: Receipt, bob: User, client: Client) -> None:
    client.force_login(bob)
    assert client.get(reverse(name, args=[receipt.pk])).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "text/plain, */*"])
def test_notice_is_plain_text(accept: str, receipt: Receipt, bob: User) -> None:
    response = _program(bob, "read").get(reverse("api_receipt_notice", args=[receipt.pk]), headers={"Accept": accept})
    assert (response.status_code, response.content.decode()) == (200, receipt.notice)


def test_notice_is_one_json_string_for_who_asks_for_json(receipt: Receipt, bob: User) -> None:
    headers = {"Accept": "application/json"}
    assert _program(bob, "read").get(reverse("api_receipt_notice", args=[receipt.pk]), headers=headers).json() == (
        receipt.notice
    )
