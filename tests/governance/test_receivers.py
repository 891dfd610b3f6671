"""Changes of accounts are on the audit log with their own transaction, and no secret ever is."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.errors import DomainError
from accounts.models import Membership
from accounts.services import member_add, member_remove, token_revoke
from governance.handles import actor_names, handle_of
from governance.models import AuditEntry
from tests.factories.accounts import PASSWORD, make_organisation, make_token, make_user

pytestmark = pytest.mark.django_db


def _last(count: int = 1) -> list[tuple[str, str, dict[str, Any]]]:
    entries = list(AuditEntry.objects.order_by("-sequence")[:count])[::-1]
    names = actor_names(entry.actor for entry in entries)
    return [(names[entry.actor], entry.action, entry.data) for entry in entries]


def test_sign_up_is_logged(client: Client) -> None:
    form = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "password_again": PASSWORD}
    client.post("/sign-up", form)
    assert _last() == [("ada", "user.registered", {})]
    assert PASSWORD not in str(list(AuditEntry.objects.values_list("data")))


def test_organisation_and_its_members_are_logged() -> None:
    ada, bob = make_user(), make_user("bob")
    studio = make_organisation(ada)
    member_add(actor=ada, organisation=studio, user=bob, role="member")
    member_add(actor=ada, organisation=studio, user=bob, role="member")  # nothing changes
    member_add(actor=ada, organisation=studio, user=bob, role="owner")
    member_remove(actor=bob, organisation=studio, user=bob)
    about = {"slug": "studio", "user": handle_of(bob)}
    assert _last(4) == [
        ("ada", "organisation.created", {"slug": "studio"}),
        ("ada", "member.added", {**about, "was": "", "role": "member"}),
        ("ada", "member.role-changed", {**about, "was": "member", "role": "owner"}),
        ("bob", "member.removed", {**about, "was": "owner", "role": ""}),
    ]


def test_tokens_are_logged_without_their_secret() -> None:
    ada = make_user()
    token, secret = make_token(ada, ["read", "download"])
    token_revoke(actor=ada, token=token)
    token_revoke(actor=ada, token=token)  # it is revoked already
    about = {"prefix": token.prefix, "scopes": ["download", "read"], "expires_at": None}
    assert _last(3)[1:] == [("ada", "token.created", about), ("ada", "token.revoked", about)]
    logged = json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))
    assert secret not in logged
    assert token.digest not in logged


def test_change_of_the_password_is_logged_without_it(client: Client) -> None:
    ada, new = make_user(), "another-long-passphrase"
    client.force_login(ada)
    client.post("/account/password", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    assert _last() == [("ada", "user.password-changed", {})]
    ada.refresh_from_db()
    assert ada.check_password(new)
    assert client.get("/account").status_code == 200  # still signed in here


def test_refused_or_undone_change_is_not_logged() -> None:
    ada = make_user()
    studio = make_organisation(ada)
    before = AuditEntry.objects.count()
    with pytest.raises(DomainError):
        member_remove(actor=ada, organisation=studio, user=ada)  # the last owner
    with transaction.atomic():
        member_add(actor=ada, organisation=studio, user=make_user("bob"), role="member")
        transaction.set_rollback(True)
    assert AuditEntry.objects.count() == before
    assert Membership.objects.count() == 1
