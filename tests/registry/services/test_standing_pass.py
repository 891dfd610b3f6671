"""A token's standing use: given, changed, taken back, and bound to who gave it."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import NotFound
from accounts.models import ApiToken, User
from accounts.services import member_remove, token_revoke
from governance.models import AuditEntry
from governance.policy import Use
from governance.verification import audit_check
from registry.errors import AcceptanceNeeded, PassRefused
from registry.models import Receipt, StandingPass
from registry.services.standing_pass import pass_end, pass_give, receipt_for
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return make_user("sam")


@pytest.fixture
def token(sam: User) -> ApiToken:
    return make_token(sam, scopes=["read", "download"])[0]


def test_pass_is_kept_with_the_words_agreed_to(sam: User, token: ApiToken) -> None:
    given = pass_give(actor=sam, token=token, use=Use.RESEARCH)
    assert "for this use: research" in given.statement.text
    assert "for myself" in given.statement.text
    assert AuditEntry.objects.get(action="pass.given").data["statement"] == given.statement.digest
    assert audit_check().faults == ()


def test_second_pass_replaces_the_first(sam: User, token: ApiToken) -> None:
    pass_give(actor=sam, token=token, use=Use.RESEARCH)
    pass_give(actor=sam, token=token, use=Use.PERSONAL)
    assert StandingPass.objects.get().use == "personal"
    pass_end(actor=sam, token=token)
    pass_end(actor=sam, token=token)
    assert StandingPass.objects.count() == 0
    assert AuditEntry.objects.filter(action="pass.ended").count() == 1


@pytest.mark.parametrize("use", [Use.PUBLISH, Use.TRAINING])
def test_pass_is_for_uses_that_people_ask_about(sam: User, token: ApiToken, use: Use) -> None:
    with pytest.raises(PassRefused):
        pass_give(actor=sam, token=token, use=use)


def test_token_that_may_not_download_gets_none(sam: User) -> None:
    with pytest.raises(PassRefused, match="scope"):
        pass_give(actor=sam, token=make_token(sam, scopes=["read"])[0], use=Use.PERSONAL)


def test_token_or_organisation_of_others_is_absent(sam: User, token: ApiToken) -> None:
    other = make_user("pia")
    with pytest.raises(NotFound):
        pass_give(actor=other, token=token, use=Use.PERSONAL)
    with pytest.raises(NotFound):
        pass_end(actor=other, token=token)
    studio = make_organisation(other, "studio")
    with pytest.raises(NotFound):
        pass_give(actor=sam, token=token, use=Use.PERSONAL, organisation=studio)
    token_revoke(actor=sam, token=token)
    token.refresh_from_db()
    with pytest.raises(NotFound):
        pass_give(actor=sam, token=token, use=Use.PERSONAL)


def test_who_left_the_organisation_downloads_nothing_for_it(sam: User, token: ApiToken) -> None:
    owner = make_user("pia")
    studio = make_organisation(owner, "studio", {"member": sam})
    version = make_version(actor=owner)
    pass_give(actor=sam, token=token, use=Use.PERSONAL, organisation=studio)
    assert receipt_for(actor=sam, version=version, token=token).acceptance.organisation == studio
    member_remove(actor=owner, organisation=studio, user=sam)
    with pytest.raises(AcceptanceNeeded):
        receipt_for(actor=sam, version=version, token=token)
    assert Receipt.objects.count() == 1


def test_page_gives_and_takes_back(client: Client, sam: User, token: ApiToken) -> None:
    client.force_login(sam)
    address = reverse("token_pass", args=[token.pk])
    assert b"Give it a standing use" in client.get(address).content
    assert client.post(address, {"use": "personal"}).status_code == 422, "without the agreement nothing is given"
    assert client.post(address, {"use": "personal", "agreed": "on"}).status_code == 302
    assert b"for this use: personal" in client.get(address).content
    assert client.post(address, {"step": "end"}).status_code == 302
    assert StandingPass.objects.count() == 0
