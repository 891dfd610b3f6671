"""The account pages: each renders, each POST does what it says, and each error tells what to do."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Membership, Organisation, User
from accounts.services import token_find
from tests.factories.accounts import PASSWORD, make_organisation, make_token, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    user = make_user()
    client.force_login(user)
    return user


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up"])
def test_page_for_guests_renders(path: str, client: Client) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert b"csrfmiddlewaretoken" in response.content


PAGES = ["/account", "/account/password", "/account/tokens", "/orgs/new", "/orgs/studio"]


@pytest.mark.parametrize("path", PAGES)
def test_page_for_the_signed_in_renders_and_sends_guests_to_sign_in(path: str, client: Client) -> None:
    ada = make_user()
    make_organisation(ada)
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (302, f"/sign-in?next={path}")
    client.force_login(ada)
    response = client.get(path)
    assert response.status_code == 200
    assert b"<h1>" in response.content


@pytest.mark.parametrize("path", ["/account/tokens/1/revoke", "/orgs/studio/members/ada/remove"])
def test_page_that_acts_takes_a_post_only(path: str, client: Client, ada: User) -> None:
    make_organisation(ada)
    assert client.get(path).status_code == 405
    assert Membership.objects.count() == 1


def test_sign_up_makes_an_account_and_signs_in(client: Client) -> None:
    sent = {"username": "Ada", "email": "Ada@Example.org", "password": PASSWORD}
    response = client.post("/sign-up?next=/upload", sent)
    assert (response.status_code, response["Location"]) == (302, "/upload")
    user = User.objects.get()
    assert (user.username, user.email) == ("ada", "ada@example.org")
    assert "Ada" not in client.get("/account").context["user"].username


BAD_SIGN_UPS = [
    # field, value, what the error says
    ("username", "", "required"),
    ("username", "admin", "taken or reserved. Choose another"),
    ("username", "taken", "taken or reserved. Choose another"),
    ("username", "TAKEN", "taken or reserved. Choose another"),
    ("username", "no spaces", "Use 1 to 39 lower-case letters"),
    ("username", "x" * 40, "at most 39"),
    ("username", "a\0b", "Null characters"),
    ("email", "", "required"),
    ("email", "no address", "valid email"),
    ("email", "Taken@Example.ORG", "has an account already. Sign in instead"),
    ("password", "", "required"),
    ("password", "short", "at least 8 characters"),
]


@pytest.mark.parametrize(("field", "value", "says"), BAD_SIGN_UPS)
def test_bad_sign_up_says_what_to_do_at_its_field(field: str, value: str, says: str, client: Client) -> None:
    make_user("taken")
    good = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    response = client.post("/sign-up", {**good, field: value})
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert errors.keys() == {field}
    assert says in str(errors[field])
    assert PASSWORD not in response.content.decode()
    assert User.objects.count() == 1


def test_display_name_saved_and_bounded(client: Client, ada: User) -> None:
    assert client.post("/account", {"display_name": "Ada L. <b>"}).status_code == 302
    assert User.objects.get(pk=ada.pk).display_name == "Ada L. <b>"
    assert "Ada L. &lt;b&gt;" in client.get("/account").content.decode()
    assert client.post("/account", {"display_name": "x" * 81}).status_code == 200
    assert User.objects.get(pk=ada.pk).display_name == "Ada L. <b>"


def test_new_token_is_shown_once(client: Client, ada: User) -> None:
    sent = {"name": "notebook", "scopes": ["read", "download"], "days": "30"}
    response = client.post("/account/tokens", sent)
    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    token = token_find(secret=secret)
    assert token is not None
    assert (token.user, token.name, token.scopes) == (ada, "notebook", ["download", "read"])
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)  # type: ignore[operator]
    again = client.get("/account/tokens")
    assert "notebook" in again.content.decode()
    assert secret not in again.content.decode()
    assert again["Cache-Control"] == "no-store"


def test_token_without_an_end(client: Client, ada: User) -> None:
    client.post("/account/tokens", {"name": "t", "scopes": ["read"], "days": ""})
    assert ApiToken.objects.get(user=ada).expires_at is None


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("scopes", []), ("scopes", ["everything"]), ("days", "31"), ("name", "x" * 81)]
)
def test_bad_token_is_not_made(field: str, value: object, client: Client, ada: User) -> None:
    response = client.post("/account/tokens", {"name": "t", "scopes": ["read"], "days": "30", field: value})
    assert response.context["form"].errors.keys() == {field}
    assert not ApiToken.objects.exists()


def test_token_revoked_by_its_owner_only(client: Client, ada: User) -> None:
    mine, secret = make_token(ada)
    theirs, other = make_token(make_user("eve"))
    assert client.post(f"/account/tokens/{theirs.pk}/revoke").status_code == 404
    assert client.post(f"/account/tokens/{mine.pk}/revoke").status_code == 302
    assert token_find(secret=secret) is None
    assert token_find(secret=other) is not None
    assert "notice" in client.get("/account/tokens").content.decode()  # it says that it no longer works


def test_organisation_made_with_its_page(client: Client, ada: User) -> None:
    sent = {"slug": "Studio", "display_name": "The Studio", "description": "We draw."}
    response = client.post("/orgs/new", sent)
    assert (response.status_code, response["Location"]) == (302, "/orgs/studio")
    text = client.get("/orgs/studio").content.decode()
    assert "The Studio" in text
    assert "We draw." in text
    assert "The Studio" in client.get("/account").content.decode()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("slug", "ada", "taken or reserved. Choose another"),
        ("slug", "settings", "taken or reserved. Choose another"),
        ("slug", "a b", "Use 1 to 39"),
        ("display_name", "", "required"),
        ("description", "x" * 2001, "at most 2000"),
    ],
)
def test_bad_organisation_says_what_to_do(field: str, value: str, says: str, client: Client, ada: User) -> None:
    response = client.post("/orgs/new", {"slug": "studio", "display_name": "S", field: value})
    errors = response.context["form"].errors
    assert errors.keys() == {field}
    assert says in str(errors[field])
    assert not Organisation.objects.exists()


def test_owner_manages_members(client: Client, ada: User) -> None:
    studio, ben = make_organisation(ada), make_user("ben")
    assert client.post("/orgs/studio", {"username": "Ben", "role": "maintainer"}).status_code == 302
    assert studio.memberships.get(user=ben).role == "maintainer"
    assert client.post("/orgs/studio", {"username": "ben", "role": "reader"}).status_code == 302
    assert studio.memberships.get(user=ben).role == "reader"
    response = client.post("/orgs/studio/members/ben/remove")
    assert (response.status_code, response["Location"]) == (302, "/orgs/studio")
    assert not studio.memberships.filter(user=ben).exists()


@pytest.mark.parametrize(
    ("field", "value", "says"), [("username", "nobody", "Nobody has that username"), ("role", "boss", "valid choice")]
)
def test_bad_member_says_what_is_wrong(field: str, value: str, says: str, client: Client, ada: User) -> None:
    make_organisation(ada)
    response = client.post("/orgs/studio", {"username": "ada", "role": "owner", field: value})
    assert says in str(response.context["form"].errors[field])


def test_last_owner_is_told_to_name_another_first(client: Client, ada: User) -> None:
    make_organisation(ada)
    for response in (
        client.post("/orgs/studio/members/ada/remove"),
        client.post("/orgs/studio", {"username": "ada", "role": "reader"}),
    ):
        assert response.status_code == 409
        assert "Make somebody else an owner first." in response.content.decode()
    assert Membership.objects.get().role == "owner"


@pytest.mark.parametrize("role", ["maintainer", "member", "reader"])
def test_other_roles_see_members_and_change_none(role: str, client: Client) -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={role: ben})
    client.force_login(ben)
    text = client.get("/orgs/studio").content.decode()
    assert "ada" in text
    assert "Add a member" not in text
    assert "/orgs/studio/members/ada/remove" not in text
    assert client.post("/orgs/studio", {"username": "ben", "role": "owner"}).status_code == 403
    assert client.post("/orgs/studio/members/ada/remove").status_code == 403
    response = client.post("/orgs/studio/members/ben/remove")
    assert (response.status_code, response["Location"]) == (302, "/account")
    assert [m.user for m in studio.memberships.all()] == [ada]


@pytest.mark.parametrize("path", ["/orgs/studio", "/orgs/absent", "/orgs/studio/members/ada/remove", "/orgs/%00"])
def test_organisation_of_others_is_not_there(path: str, client: Client) -> None:
    make_organisation(make_user("ada"))
    client.force_login(make_user("eve"))
    response = client.post(path) if path.endswith("remove") else client.get(path)
    assert response.status_code == 404


def test_who_is_no_member_cannot_be_removed(client: Client, ada: User) -> None:
    make_organisation(ada)
    make_user("eve")
    for name in ("eve", "nobody"):
        assert client.post(f"/orgs/studio/members/{name}/remove").status_code == 404


@pytest.mark.parametrize("path", ["/a%00/b", "/ada/%00", "/licences/%00", "/account%00"])
def test_nul_in_an_address_is_an_address_of_nothing(path: str, client: Client) -> None:
    assert client.get(path).status_code == 404
