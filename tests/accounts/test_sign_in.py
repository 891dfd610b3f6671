"""Signing in: who gets in, what the answers do not tell, where it leads to, and how often one may try."""

from importlib import import_module

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.models import User
from accounts.throttling import PER_ACCOUNT, PER_ADDRESS, WINDOW, client_address, sign_in_blocked, sign_in_failed
from tests.factories.accounts import PASSWORD, make_user

pytestmark = pytest.mark.django_db
WRONG = "Name and password do not fit together."
BLOCKED = "Too many attempts failed."


def _sign_in(client: Client, login: str, password: str = PASSWORD, **more: str) -> str:
    """The text of the answer; empty where it led on."""
    address = more.pop("address", "192.0.2.1")
    response = client.post("/sign-in", {"login": login, "password": password, **more}, REMOTE_ADDR=address)
    return "" if response.status_code == 302 else response.content.decode()


def _signed_in(client: Client) -> bool:
    return client.get("/account").status_code == 200


@pytest.mark.parametrize("login", ["ada", "ADA", " ada ", "ada@example.org", "Ada@Example.ORG"])
def test_name_or_address_in_any_case_signs_in(login: str, client: Client) -> None:
    make_user()
    assert _sign_in(client, login) == ""
    assert _signed_in(client)


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is hashed, which is where the time goes."""

    calls = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).calls += 1
        return super().encode(password, salt)


@pytest.mark.parametrize("login", ["ada", "nobody", "ada@example.org", "nobody@example.org", "asleep"])
def test_wrong_password_and_unknown_name_cost_and_say_the_same(login: str, client: Client, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    make_user()
    make_user("asleep", is_active=False)
    CountingHasher.calls = 0
    text = _sign_in(client, login, "not the password at all")
    assert CountingHasher.calls == 1
    assert WRONG in text
    assert login in text  # what was typed stays typed
    assert "not the password at all" not in text
    assert text.count('role="alert"') == 1


def test_right_password_of_an_inactive_person_says_the_same(client: Client) -> None:
    make_user(is_active=False)
    assert WRONG in _sign_in(client, "ada")
    assert not _signed_in(client)


@pytest.mark.parametrize(
    ("login", "password"), [("", PASSWORD), ("ada", ""), ("a\0b", PASSWORD), ("a" * 300, PASSWORD)]
)
def test_form_not_filled_in_signs_nobody_in(login: str, password: str, client: Client) -> None:
    make_user()
    assert _sign_in(client, login, password)
    assert not _signed_in(client)


def test_session_gets_a_new_key(client: Client) -> None:
    """A session that somebody else planted before is not the one that is signed in."""
    make_user()
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    assert _sign_in(client, "ada") == ""
    assert client.session.session_key != before


def test_sign_out_ends_the_session_and_takes_a_post(client: Client) -> None:
    make_user()
    _sign_in(client, "ada")
    assert client.get("/sign-out").status_code == 405
    assert _signed_in(client)
    assert client.post("/sign-out").status_code == 302
    assert not _signed_in(client)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/sign-out"])
def test_post_from_another_site_refused(path: str) -> None:
    make_user()
    client = Client(enforce_csrf_checks=True)
    assert client.post(path, {"login": "ada", "password": PASSWORD}).status_code == 403


OUTSIDE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "https://testserver@evil.example/",
    "foo",
    "sign_out",
    "..",
    "",
]


@pytest.mark.parametrize("target", OUTSIDE)
@pytest.mark.parametrize("where", ["query", "form"])
def test_next_does_not_leave_the_site(target: str, where: str, client: Client) -> None:
    make_user()
    sent = {"login": "ada", "password": PASSWORD}
    if where == "form":
        response = client.post("/sign-in", {**sent, "next": target})
    else:
        response = client.post("/sign-in", sent, query_params={"next": target})
    assert (response.status_code, response["Location"]) == (302, "/")


@pytest.mark.parametrize("target", ["/account/tokens", "/?q=a&sort=newest", "/ada/style", "http://testserver/upload"])
def test_next_leads_to_a_page_of_this_site(target: str, client: Client) -> None:
    make_user()
    response = client.post("/sign-in", {"login": "ada", "password": PASSWORD, "next": target})
    assert response["Location"] == ("/" if target.startswith("http") else target)


def test_next_survives_a_wrong_password_and_the_way_to_sign_up(client: Client) -> None:
    text = client.get("/sign-in?next=/account/tokens").content.decode()
    assert '<input type="hidden" name="next" value="/account/tokens">' in text
    assert "/sign-up?next=/account/tokens" in text


def test_page_for_the_signed_in_leads_there_and_back(client: Client) -> None:
    make_user()
    response = client.get("/account/tokens")
    assert response["Location"] == "/sign-in?next=/account/tokens"


# How often one may try


def test_account_is_blocked_after_some_failures_even_for_the_right_password(client: Client) -> None:
    make_user()
    for _ in range(PER_ACCOUNT):
        assert WRONG in _sign_in(client, "ada", "wrong")
    assert BLOCKED in _sign_in(client, "ada")
    assert BLOCKED in _sign_in(client, "ADA", address="198.51.100.7")  # wherever it comes from, however it is spelled
    assert not _signed_in(client)


def test_unknown_account_is_blocked_alike(client: Client) -> None:
    for _ in range(PER_ACCOUNT):
        assert WRONG in _sign_in(client, "nobody", "wrong")
    assert BLOCKED in _sign_in(client, "nobody", "wrong")


def test_other_accounts_stay_open(client: Client) -> None:
    make_user()
    for _ in range(PER_ACCOUNT):
        _sign_in(client, "somebody", "wrong")
    assert _sign_in(client, "ada") == ""


def test_address_is_blocked_after_failures_over_many_accounts(client: Client) -> None:
    make_user()
    for number in range(PER_ADDRESS):
        assert WRONG in _sign_in(client, f"nobody{number}", "wrong")
    assert BLOCKED in _sign_in(client, "ada")
    assert _sign_in(client, "ada", address="198.51.100.7") == ""


def test_success_forgets_the_failures_of_the_account_and_not_of_the_address(client: Client) -> None:
    make_user()
    for _ in range(PER_ACCOUNT - 1):
        _sign_in(client, "ada", "wrong")
    assert _sign_in(client, "ada") == ""
    for _ in range(PER_ACCOUNT - 1):
        assert WRONG in _sign_in(client, "ada", "wrong")
    for number in range(PER_ADDRESS - 2 * (PER_ACCOUNT - 1)):
        assert WRONG in _sign_in(client, f"nobody{number}", "wrong")
    assert BLOCKED in _sign_in(client, "ada")


def test_blocked_attempt_hashes_nothing(client: Client, settings: Settings) -> None:
    """Otherwise whoever is blocked could still keep every thread busy with argon2."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    for _ in range(PER_ACCOUNT):
        sign_in_failed(login="ada", address="192.0.2.1")
    CountingHasher.calls = 0
    assert BLOCKED in _sign_in(client, "ada")
    assert CountingHasher.calls == 0


@pytest.fixture
def database_cache(settings: Settings) -> None:
    """The cache that an installation without Redis has."""
    settings.CACHES = import_module("config.settings.base").CACHES
    call_command("createcachetable")
    cache.clear()


@pytest.mark.usefixtures("database_cache")
def test_block_lasts_its_window_in_the_cache_of_an_installation() -> None:
    for _ in range(PER_ACCOUNT):
        sign_in_failed(login="ada", address="192.0.2.1")
    assert sign_in_blocked(login="ada", address="198.51.100.7")
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(extract(epoch FROM expires - now())) FROM cache WHERE cache_key LIKE '%sign-in%'")
        (left,) = cursor.fetchone()
        assert WINDOW - 60 < left <= WINDOW
        cursor.execute("UPDATE cache SET expires = now() - interval '1 second'")
    assert not sign_in_blocked(login="ada", address="192.0.2.1")


@pytest.mark.usefixtures("database_cache")
def test_counters_are_not_flushed_by_a_thousand_others() -> None:
    """A cache of a few hundred entries would throw out an account's counter when others are written."""
    for _ in range(PER_ACCOUNT):
        sign_in_failed(login="ada", address="192.0.2.1")
    cache.set_many({f"other-{number}": number for number in range(1000)})
    assert sign_in_blocked(login="ada", address="192.0.2.1")


ADDRESSES = [
    # proxies of our own, what they wrote, the address that counts
    (0, None, "192.0.2.1"),
    (0, "203.0.113.9", "192.0.2.1"),  # anybody can write the header
    (1, "203.0.113.9", "203.0.113.9"),
    (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),  # the first is what the client wrote
    (2, "10.9.9.9, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
    (2, "203.0.113.9", "192.0.2.1"),  # did not come through both
    (1, None, "192.0.2.1"),
    (1, " , ", "192.0.2.1"),
]


@pytest.mark.parametrize(("proxies", "header", "address"), ADDRESSES)
def test_address_is_the_one_that_our_own_proxy_saw(
    proxies: int, header: str | None, address: str, settings: Settings, rf: RequestFactory
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if header is None else {"X-Forwarded-For": header}
    assert client_address(rf.get("/", headers=headers, REMOTE_ADDR="192.0.2.1")) == address


# Passwords


@pytest.fixture
def real_hashers(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = import_module("config.settings.base").PASSWORD_HASHERS


@pytest.mark.usefixtures("real_hashers")
def test_real_settings_hash_with_argon2(client: Client) -> None:
    ada = make_user()
    assert ada.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert WRONG in _sign_in(client, "ada", "wrong")
    assert _sign_in(client, "ada") == ""


def test_older_hash_is_renewed_at_sign_in(client: Client, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    ada = make_user()
    assert ada.password.startswith("pbkdf2_sha256$")
    settings.PASSWORD_HASHERS = import_module("config.settings.base").PASSWORD_HASHERS
    assert _sign_in(client, "ada") == ""
    assert User.objects.get(pk=ada.pk).password.startswith("argon2$")


def _change(client: Client, old: str, new: str, again: str | None = None) -> str:
    sent = {"old_password": old, "new_password1": new, "new_password2": new if again is None else again}
    response = client.post("/account/password", sent)
    return "" if response.status_code == 302 else response.content.decode()


def test_changed_password_ends_the_other_sessions(client: Client) -> None:
    make_user()
    elsewhere = Client()
    for browser in (client, elsewhere):
        assert _sign_in(browser, "ada") == ""
    assert _change(client, PASSWORD, "another-long-passphrase") == ""
    assert _signed_in(client)
    assert not _signed_in(elsewhere)
    assert WRONG in _sign_in(elsewhere, "ada")
    assert _sign_in(elsewhere, "ada", "another-long-passphrase") == ""


BAD_PASSWORDS = ["short1!", "password", "12345678901", "ada@example.org", "ada.lovelace"]


@pytest.mark.parametrize("password", BAD_PASSWORDS[:4])
def test_bad_new_password_refused(password: str, client: Client) -> None:
    make_user()
    _sign_in(client, "ada")
    assert "password" in _change(client, PASSWORD, password)
    assert _signed_in(client)
    assert User.objects.get().check_password(PASSWORD)


def test_new_password_needs_the_old_one_and_itself_twice(client: Client) -> None:
    make_user()
    _sign_in(client, "ada")
    assert "old password was entered incorrectly" in _change(client, "wrong", "another-long-passphrase")
    assert "match" in _change(client, PASSWORD, "another-long-passphrase", "another-long-passphrasf")
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("password", BAD_PASSWORDS)
def test_bad_password_refused_at_sign_up(password: str, client: Client) -> None:
    sent = {"username": "ada.lovelace", "email": "ada@example.org", "password": password}
    response = client.post("/sign-up", sent)
    assert response.status_code == 200
    assert response.context["form"].errors.keys() == {"password"}
    assert not User.objects.exists()
