"""The gate as a page: the use, the answer, the terms, the receipt, the bytes."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.models import DecisionRecord
from registry.models import Receipt, Version
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
GATE = "/ada/style/v/1/download"


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


@pytest.fixture
def bob(client: Client, version: Version) -> User:
    bob = make_user("bob")
    client.force_login(bob)
    return bob


def _ask(client: Client, use: str = "personal", **more: Any) -> Any:
    return client.post(GATE, {"step": "ask", "use": use, "organisation": "", **more})


def _accept(client: Client, terms: str, use: str = "personal", **more: Any) -> Any:
    return client.post(GATE, {"step": "accept", "use": use, "organisation": "", "terms": terms, **more})


def test_guest_is_sent_to_sign_in_and_back(client: Client, version: Version) -> None:
    response = client.get(GATE)
    assert response.status_code == 302
    assert response["Location"] == f"/sign-in?next={GATE}"


def test_gate_leads_from_the_use_to_the_bytes(client: Client, bob: User) -> None:
    assert "What do you want to use it for?" in client.get(GATE).content.decode()
    asked = _ask(client)
    terms = asked.context["terms"]
    assert asked.status_code == 200
    assert "I accept these terms" in asked.content.decode()
    accepted = _accept(client, terms.digest)
    assert accepted.status_code == 200
    receipt = Receipt.objects.get()
    page = accepted.content.decode()
    for part in (reverse("receipt", args=[receipt.pk]), reverse("receipt_notice", args=[receipt.pk])):
        assert part in page
    response = client.get(accepted.context["download_url"])
    assert b"".join(response.streaming_content) == lora_bytes()  # type: ignore[arg-type]
    assert client.get(reverse("receipt", args=[receipt.pk])).json() == receipt.body
    assert client.get(reverse("receipt_notice", args=[receipt.pk])).content.decode() == receipt.notice


def test_refusal_is_a_page_with_reasons_and_on_record(client: Client) -> None:
    make_version(actor=make_user("ada"), declared={"commercial_use": ()})
    bob = make_user("bob")
    client.force_login(bob)
    for response in (_ask(client, "selling-weights"), _accept(client, "0" * 64, "selling-weights")):
        assert response.status_code == 403
        assert "Refused" in response.content.decode()
        assert "I accept these terms" not in response.content.decode()
    records = DecisionRecord.objects.filter(actor=bob, outcome="deny")
    assert records.count() == 2
    assert client.get(reverse("decision", args=[records[0].public_id])).status_code == 200
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("terms", ["", "0" * 64, "é"])
def test_other_terms_are_not_accepted(client: Client, bob: User, terms: str) -> None:
    response = _accept(client, terms)
    assert response.status_code == 403
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("use", ["", "world-domination", "preview", "publish", "\x00"])
def test_use_that_is_none_gets_no_answer(client: Client, bob: User, use: str) -> None:
    before = DecisionRecord.objects.count()
    response = _ask(client, use)
    assert response.status_code in {200, 422}
    assert "use" in response.context["form"].errors
    assert DecisionRecord.objects.count() == before


def test_nobody_acts_for_an_organisation_of_others(client: Client, bob: User) -> None:
    theirs = make_organisation(make_user("boss"), "theirs")
    response = _ask(client, organisation=theirs.pk)
    assert "organisation" in response.context["form"].errors
    mine = make_organisation(bob, "mine")
    assert _ask(client, organisation=mine.pk).context["record"].organisation == mine


@pytest.mark.parametrize("state", ["withdrawn", "taken-down"])
def test_gate_of_what_is_gone_says_so(client: Client, bob: User, version: Version, state: str) -> None:
    version_transition(version=version, to=VersionState(state), actor=None)
    for response in (client.get(GATE), _ask(client)):
        assert response.status_code == 410
        assert state.replace("-", " ") in response.content.decode().replace("-", " ")


def test_link_of_a_quarantined_version_is_dead(client: Client, bob: User, version: Version) -> None:
    link = _accept(client, _ask(client).context["terms"].digest).context["download_url"]
    version_transition(version=version, to=VersionState.QUARANTINED, actor=None)
    response = client.get(link)
    assert response.status_code == 410
    assert lora_bytes()[:50] not in response.content


def test_link_that_was_made_up_is_dead(client: Client, version: Version) -> None:
    response = client.get(reverse("delivery", args=["made-up"]))
    assert response.status_code == 403
    assert "run out" in response.content.decode()
