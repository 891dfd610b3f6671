"""What the account pages do with who is signed in already."""

import pytest
from django.test import Client

from accounts.models import User
from tests.factories.accounts import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["get", "post"])
def test_sign_up_of_who_is_signed_in_makes_no_account_and_keeps_them(method: str, client: Client) -> None:
    ada = make_user("ada")
    client.force_login(ada)
    sent = {"username": "second", "email": "second@example.org", "password": PASSWORD}
    response = getattr(client, method)("/sign-up", sent)
    assert (response.status_code, response["Location"]) == (302, "/")
    page = client.get("/")
    assert page.context["user"] == ada
    assert "You are signed in as ada. Sign out to create an account." in page.content.decode()
    assert User.objects.count() == 1


def test_registrars_are_called_by_their_names(client: Client) -> None:
    client.force_login(make_user("ada"))
    text = client.get("/account/facts").content.decode()
    assert "Stability AI" in text
    assert "Stability Ai" not in text
