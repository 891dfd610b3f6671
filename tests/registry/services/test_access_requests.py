"""Adapters whose owner lets people in by hand: who may do what, and that the gate holds to it everywhere."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import NotPermitted
from accounts.models import User
from governance.models import AuditEntry
from governance.policy import Use
from registry.errors import AccessNotGranted, RequestRefused
from registry.models import Access, AccessRequest, Receipt, RequestState, Version
from registry.services.access_requests import access_ask, access_decide, access_grant, access_rule_set
from registry.services.delivery import gate_accept, gate_ask, link_redeem, link_token
from registry.services.standing_pass import pass_give, receipt_for
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version
from tests.registry.compat.hub.calls import Hub

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def version(ada: User) -> Version:
    version = make_version(actor=ada)
    access_rule_set(actor=ada, adapter=version.adapter, rule=Access.GRANTED)
    return version


def _accepted(user: User, version: Version) -> Receipt:
    asked = {"actor": user, "organisation": None, "version": version, "use": Use.PERSONAL}
    answer = gate_ask(**asked)  # type: ignore[arg-type]
    return gate_accept(**asked, accepted_terms=answer.terms.digest)  # type: ignore[arg-type]


def test_gate_of_every_protocol_waits_for_the_owner(bob: User, version: Version) -> None:
    token, secret = make_token(bob)
    pass_give(actor=bob, token=token, use=Use.PERSONAL)
    with pytest.raises(AccessNotGranted):
        gate_ask(actor=bob, organisation=None, version=version, use=Use.PERSONAL)
    with pytest.raises(AccessNotGranted):
        receipt_for(actor=bob, version=version, token=token)
    client, headers = Client(), {"Authorization": f"Bearer {secret}"}
    assert client.get(f"/api/download/models/{version.pk}", headers=headers).status_code == 403
    answer = client.get("/ada/style/resolve/main/style.safetensors", headers=headers)
    assert (answer.status_code, answer["X-Error-Code"]) == (403, "GatedRepo")
    assert answer["X-HF-Warning"].endswith("/ada/style/access")
    client.force_login(bob)
    page = client.get(reverse("gate", args=["ada", "style", 1]))
    assert page.url == "/ada/style/access"  # type: ignore[attr-defined]
    assert not Receipt.objects.exists()


def test_who_is_let_in_passes_and_who_is_put_out_again_does_not(ada: User, bob: User, version: Version) -> None:
    request = access_ask(actor=bob, adapter=version.adapter, reason="For a book.")
    access_decide(actor=ada, adapter=version.adapter, request_id=request.pk, state=RequestState.ACCEPTED)
    receipt = _accepted(bob, version)
    token = link_token(receipt=receipt)
    assert link_redeem(token=token).pk == receipt.file_id
    assert receipt_for(actor=bob, version=version) == receipt
    access_decide(actor=ada, adapter=version.adapter, request_id=request.pk, state=RequestState.REJECTED, answer="No.")
    with pytest.raises(AccessNotGranted):
        link_redeem(token=token)
    with pytest.raises(AccessNotGranted):
        receipt_for(actor=bob, version=version)


def test_owner_needs_nobodys_word(ada: User, version: Version) -> None:
    assert _accepted(ada, version)


def test_only_who_edits_the_adapter_decides(bob: User, version: Version) -> None:
    request = access_ask(actor=bob, adapter=version.adapter, reason="x")
    for call in (
        lambda: access_decide(actor=bob, adapter=version.adapter, request_id=request.pk, state=RequestState.ACCEPTED),
        lambda: access_grant(actor=bob, adapter=version.adapter, user=bob),
        lambda: access_rule_set(actor=bob, adapter=version.adapter, rule=Access.TERMS),
    ):
        with pytest.raises(NotPermitted):
            call()
    assert AccessRequest.objects.get().state == RequestState.PENDING


def test_request_is_made_once_and_changes_only_where_it_changes(ada: User, bob: User, version: Version) -> None:
    adapter = version.adapter
    request = access_ask(actor=bob, adapter=adapter, reason="x")
    with pytest.raises(RequestRefused):
        access_ask(actor=bob, adapter=adapter, reason="again")
    with pytest.raises(RequestRefused):
        access_decide(actor=ada, adapter=adapter, request_id=request.pk, state=RequestState.PENDING)
    with pytest.raises(RequestRefused):
        access_decide(actor=ada, adapter=adapter, request_id=request.pk + 1, state=RequestState.ACCEPTED)
    access_rule_set(actor=ada, adapter=adapter, rule=Access.TERMS)
    with pytest.raises(RequestRefused):
        access_grant(actor=ada, adapter=adapter, user=bob)
    assert _accepted(bob, version)


def test_private_adapter_grants_nobody_who_may_not_see_it(ada: User, bob: User) -> None:
    hidden = make_version(actor=ada, name="hidden", visibility="private").adapter
    access_rule_set(actor=ada, adapter=hidden, rule=Access.GRANTED)
    with pytest.raises(RequestRefused):
        access_grant(actor=ada, adapter=hidden, user=bob)


def test_log_has_no_word_of_the_request(ada: User, bob: User, version: Version) -> None:
    access_ask(actor=bob, adapter=version.adapter, reason="A secret reason.")
    assert not [entry for entry in AuditEntry.objects.all() if "secret reason" in str(entry.data)]
    assert AuditEntry.objects.filter(action="access.asked").exists()


def test_client_lists_and_handles_requests(ada: User, bob: User, version: Version) -> None:
    access_ask(actor=bob, adapter=version.adapter, reason="For a book.")
    hub, asked = Hub(ada), "/api/models/ada/style/user-access-request"
    row = hub.call("GET", f"{asked}/pending").json()[0]
    assert (row["user"]["user"], row["status"], row["fields"]) == ("bob", "pending", {"Reason": "For a book."})
    assert row["user"]["email"] is None
    sent = {"user": "bob", "status": "rejected", "rejectionReason": "Not for books."}
    assert hub.call("POST", f"{asked}/handle", sent).status_code == 200
    assert hub.call("POST", f"{asked}/handle", sent).status_code == 400  # unchanged
    assert AccessRequest.objects.get().answer == "Not for books."
    assert hub.call("POST", f"{asked}/grant", {"user": "bob"}).status_code == 200
    assert [row["user"]["user"] for row in hub.call("GET", f"{asked}/accepted").json()] == ["bob"]
    assert hub.call("POST", f"{asked}/grant", {"user": "bob"}).status_code == 400
    for wrong in ({}, {"user": 5}, {"user": "nobody"}):
        assert hub.call("POST", f"{asked}/grant", wrong).status_code == 400
    assert Hub(bob).call("GET", f"{asked}/pending").status_code == 403
    assert hub.call("GET", "/api/models/ada/style").json()["gated"] == "manual"


def test_pages_ask_and_answer(ada: User, bob: User, version: Version) -> None:
    asking, answering = Client(), Client()
    asking.force_login(bob)
    answering.force_login(ada)
    page, list_page = "/ada/style/access", "/ada/style/access/requests"
    assert asking.post(page, {"reason": "For a book."}).status_code == 302
    assert b"For a book." in answering.get(list_page).content
    number = AccessRequest.objects.get().pk
    answering.post(list_page, {"step": "reject", "request": number, "answer": "Not for books."})
    assert b"Not for books." in asking.get(page).content
    answering.post(list_page, {"step": "accept", "request": number})
    assert b"Go to the gate" in asking.get(page).content
    assert asking.get(list_page).status_code == 403
