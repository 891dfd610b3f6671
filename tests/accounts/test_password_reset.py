"""A forgotten password: one answer for every address, a link that works once and stays on this site, a throttle."""

import re

import pytest
from django.contrib.auth import SESSION_KEY
from django.core.mail import EmailMessage
from django.test import Client

from accounts.models import User
from accounts.throttling import PER_ACCOUNT, sign_in_failed
from tests.factories.accounts import PASSWORD, make_user

pytestmark = pytest.mark.django_db
ASK = "/account/password-reset"
NEW = "another-long-passphrase"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _link(mail: EmailMessage, settings: object) -> str:
    found = re.search(re.escape(settings.PUBLIC_URL) + r"(/account/password-reset/\S+)", mail.body)  # type: ignore[attr-defined]
    assert found, mail.body
    return found.group(1)


def _choose(client: Client, link: str, password: str = NEW) -> object:
    form = client.get(link)["Location"]  # Django keeps the secret in the session, out of the address
    return client.post(form, {"new_password1": password, "new_password2": password})


def test_sign_in_leads_to_it(client: Client) -> None:
    assert f'href="{ASK}"' in client.get("/sign-in").content.decode()
    assert client.get(ASK).status_code == 200


def test_known_and_unknown_address_get_one_answer(client: Client, ada: User, mailoutbox: list[EmailMessage]) -> None:
    known, unknown = (client.post(ASK, {"email": f"{name}@example.org"}) for name in ("ada", "nobody"))
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"]) == (302, f"{ASK}/sent")
    assert "If the address has an account here" in client.get(f"{ASK}/sent").content.decode()
    assert [mail.to for mail in mailoutbox] == [["ada@example.org"]]


def test_link_changes_the_password_once(
    client: Client, ada: User, mailoutbox: list[EmailMessage], settings: object
) -> None:
    client.post(ASK, {"email": "ADA@example.org"})
    link = _link(mailoutbox[0], settings)
    assert _choose(client, link)["Location"] == "/sign-in"  # type: ignore[index]
    assert SESSION_KEY not in client.session
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    again = Client().get(link)
    assert "The link has run out" in again.content.decode()
    assert "new_password1" not in again.content.decode()


def test_weak_password_is_refused_with_the_reason(
    client: Client, ada: User, mailoutbox: list[EmailMessage], settings: object
) -> None:
    client.post(ASK, {"email": ada.email})
    response = _choose(client, _link(mailoutbox[0], settings), "12345678")
    assert "too common" in response.content.decode()  # type: ignore[attr-defined]
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_link_leads_to_this_site_whatever_host_the_request_names(
    client: Client, ada: User, mailoutbox: list[EmailMessage], settings: object
) -> None:
    settings.ALLOWED_HOSTS = ["*"]  # type: ignore[attr-defined]
    client.post(ASK, {"email": ada.email}, headers={"Host": "evil.example"})
    assert "evil.example" not in mailoutbox[0].body + mailoutbox[0].subject
    assert _link(mailoutbox[0], settings)


def test_earlier_sessions_end(client: Client, ada: User, mailoutbox: list[EmailMessage], settings: object) -> None:
    elsewhere = Client()
    elsewhere.force_login(ada)
    client.post(ASK, {"email": ada.email})
    _choose(client, _link(mailoutbox[0], settings))
    assert elsewhere.get("/account").status_code == 302


def test_new_password_ends_the_block_of_its_account(
    client: Client, ada: User, mailoutbox: list[EmailMessage], settings: object
) -> None:
    for _ in range(PER_ACCOUNT):
        sign_in_failed(login="ada", address="10.0.0.9")
    client.post(ASK, {"email": ada.email})
    _choose(client, _link(mailoutbox[0], settings))
    assert client.post("/sign-in", {"login": "ada", "password": NEW}).status_code == 302


@pytest.mark.parametrize("address", ["ada@example.org", "nobody@example.org"])
def test_many_requests_are_throttled_and_keep_nobody_from_signing_in(
    address: str, client: Client, ada: User, mailoutbox: list[EmailMessage]
) -> None:
    for _ in range(PER_ACCOUNT):
        assert client.post(ASK, {"email": address}).status_code == 302
    refused = client.post(ASK, {"email": address.upper()})
    assert "Wait a quarter of an hour" in refused.content.decode()
    assert len(mailoutbox) in {0, PER_ACCOUNT}
    assert client.post("/sign-in", {"login": ada.email, "password": PASSWORD}).status_code == 302


def test_inactive_account_gets_no_mail(client: Client, mailoutbox: list[EmailMessage]) -> None:
    make_user("gone", is_active=False)
    assert client.post(ASK, {"email": "gone@example.org"}).status_code == 302
    assert mailoutbox == []


@pytest.mark.parametrize("path", ["MQ/x-y", "%00/%00", "MQ/set-password", "ä/b"])
def test_link_that_is_none_says_how_to_get_another(path: str, client: Client, ada: User) -> None:
    response = client.get(f"{ASK}/{path}")
    assert response.status_code in {200, 404}
    if response.status_code == 200:
        assert "Send another link" in response.content.decode()
