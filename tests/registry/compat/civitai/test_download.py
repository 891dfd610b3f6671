"""Downloads by a program: the gate as on the page, by a receipt that holds or by a token's standing use."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import ApiToken, User
from governance.models import DecisionRecord
from governance.policy import Use
from registry.models import Acceptance, Access, Adapter, Receipt, Version
from registry.services.delivery import gate_accept, gate_ask
from registry.services.standing_pass import pass_end, pass_give
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_token, make_user
from tests.registry.compat.civitai.conftest import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(rosa: User) -> Version:
    return published(rosa, "ink", seed=9)


@pytest.fixture
def sam(db: None) -> User:
    return make_user("sam")


@pytest.fixture
def token(sam: User) -> tuple[ApiToken, str]:
    return make_token(sam, scopes=["read", "download"])


def download(version: Version, secret: str = "", **query: Any) -> Any:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}"} if secret else {}
    return Client().get(f"/api/download/models/{version.pk}", query, **headers)


def bytes_of(response: Any) -> bytes:
    assert response.status_code == 302, response.content
    return b"".join(Client().get(response["Location"]).streaming_content)


def accepted(actor: User, version: Version, use: Use = Use.PERSONAL) -> Receipt:
    asked: dict[str, Any] = {"actor": actor, "organisation": None, "version": version, "use": use}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


def test_guest_is_told_to_sign_in_and_where_the_terms_are(version: Version) -> None:
    response = download(version)
    assert response.status_code == 401
    assert "/rosa/ink/v/1/download" in response.json()["error"]


def test_token_without_a_standing_use_is_sent_to_the_page(version: Version, token: tuple[ApiToken, str]) -> None:
    response = download(version, token[1])
    assert response.status_code == 403
    assert response.json()["url"] == "http://testserver/rosa/ink/v/1/download"
    assert Receipt.objects.count() == 0


def test_what_was_accepted_on_the_page_is_delivered(version: Version, sam: User, token: tuple[ApiToken, str]) -> None:
    receipt = accepted(sam, version)
    content = bytes_of(download(version, token[1]))
    assert len(content) == version.files.get().size
    assert Receipt.objects.get() == receipt, "the receipt stands; nothing was accepted anew"


def test_token_in_the_address_is_enough(version: Version, sam: User, token: tuple[ApiToken, str]) -> None:
    accepted(sam, version)
    assert download(version, token=token[1]).status_code == 302


def test_standing_use_passes_with_decision_terms_and_receipt(
    version: Version, sam: User, token: tuple[ApiToken, str]
) -> None:
    pass_give(actor=sam, token=token[0], use=Use.PERSONAL)
    response = download(version, token[1])
    assert bytes_of(response)
    assert response["Cache-Control"] == "no-store"
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.use) == (sam, "personal")
    assert acceptance.decision.outcome == "allow"
    assert Receipt.objects.get().first_delivered_at is not None
    assert download(version, token[1]).status_code == 302
    assert Receipt.objects.count() == 1, "the second download is under the same receipt"


def test_standing_use_that_the_rules_refuse_is_refused_with_reasons(
    rosa: User, sam: User, token: tuple[ApiToken, str]
) -> None:
    bound = published(rosa, "bound", seed=10, declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    pass_give(actor=sam, token=token[0], use=Use.COMMERCIAL_OUTPUTS)
    response = download(bound, token[1])
    assert response.status_code == 403
    assert response.json()["decision"]["outcome"] == "deny"
    assert response.json()["url"] == "http://testserver/rosa/bound/v/1/download"
    assert DecisionRecord.objects.filter(actor=sam, outcome="deny").count() == 1
    assert Receipt.objects.count() == 0


def test_who_has_to_be_let_in_is_told_where_to_ask(version: Version, sam: User, token: tuple[ApiToken, str]) -> None:
    Adapter.objects.filter(pk=version.adapter_id).update(access=Access.GRANTED)
    response = download(version, token[1])
    assert (response.status_code, response.json()["code"]) == (403, "access-not-granted")
    assert response.json()["url"] == f"http://testserver/rosa/{version.adapter.name}/access"


def test_pass_that_was_taken_back_opens_nothing_new(version: Version, sam: User, token: tuple[ApiToken, str]) -> None:
    pass_give(actor=sam, token=token[0], use=Use.PERSONAL)
    pass_end(actor=sam, token=token[0])
    assert download(version, token[1]).status_code == 403


def test_token_without_the_scope_downloads_nothing(version: Version, sam: User) -> None:
    _, secret = make_token(sam, scopes=["read"])
    accepted(sam, version)
    assert download(version, secret).status_code == 403


def test_receipt_for_terms_that_changed_opens_nothing(version: Version, sam: User, token: tuple[ApiToken, str]) -> None:
    accepted(sam, version)
    Version.objects.filter(pk=version.pk).update(credit_required=not version.credit_required)
    assert download(version, token[1]).status_code == 403


def test_receipt_of_somebody_else_opens_nothing(version: Version, token: tuple[ApiToken, str]) -> None:
    accepted(make_user("pia"), version)
    assert download(version, token[1]).status_code == 403


def test_withdrawn_version_is_gone_also_for_who_holds_a_receipt(
    version: Version, rosa: User, sam: User, token: tuple[ApiToken, str]
) -> None:
    accepted(sam, version)
    version_withdraw(version=version, actor=rosa, reason="Mine.")
    response = download(version, token[1])
    assert response.status_code == 410
    assert "withdrawn" in response.json()["error"]


@pytest.mark.parametrize(
    ("query", "status"), [({"fileId": "1234567"}, 400), ({"format": "PickleTensor"}, 400), ({"type": "VAE"}, 400)]
)
def test_file_that_is_not_there_is_not_replaced_by_another(
    version: Version, query: dict[str, str], status: int
) -> None:
    assert download(version, **query).status_code == status


def test_absent_version_is_not_found(db: None, token: tuple[ApiToken, str]) -> None:
    response = Client().get("/api/download/models/987654321", HTTP_AUTHORIZATION=f"Bearer {token[1]}")
    assert response.status_code == 404
