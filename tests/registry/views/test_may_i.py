"""The "may I?" page: what is missing is said, what is chosen stays, and what cannot be asked about is not offered."""

import pytest
from django.test import Client

from registry.models import Version
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


@pytest.mark.parametrize(
    ("chosen", "use", "says"),
    [
        (False, "", "Choose at least one adapter, and say what you want to use it for."),
        (False, "personal", "Choose at least one adapter."),
        (True, "", "Now say what you want to use it for."),
    ],
)
def test_incomplete_question_says_what_to_choose(
    chosen: bool, use: str, says: str, client: Client, version: Version
) -> None:
    asked = {"adapter": version.adapter_id} if chosen else {}
    assert says in client.get("/may-i", {**asked, "use": use, "q": ""}).content.decode()


def test_complete_question_is_answered(client: Client, version: Version) -> None:
    text = client.get("/may-i", {"adapter": version.adapter_id, "use": "personal"}).content.decode()
    assert "Allowed: personal" in text
    assert "Choose at least" not in text


def test_search_keeps_what_is_chosen_and_says_when_nothing_is_found(client: Client, version: Version) -> None:
    page = client.get("/may-i", {"adapter": version.adapter_id, "q": "absent", "find": "1"})
    text = page.content.decode()
    assert f'value="{version.adapter_id}" checked' in text
    assert "Nothing else is found for “absent”." in text
    assert "type to find others" in client.get("/may-i").content.decode()


def test_adapter_without_a_published_version_is_not_offered(client: Client, version: Version) -> None:
    gone = make_version(actor=version.created_by, name="gone", content=lora_bytes(seed=2))
    version_withdraw(version=gone, actor=version.created_by, reason="Mistake.")
    client.force_login(version.created_by)
    assert [adapter.name for adapter in client.get("/may-i").context["suggestions"]] == ["style"]


@pytest.mark.parametrize("odd", ["²", "9" * 40, "-1", "x", "\0"])
def test_odd_numbers_and_words_are_no_error(odd: str, client: Client, version: Version) -> None:
    asked = {"adapter": [str(version.adapter_id), odd], "use": "personal", "q": odd, "annual_revenue_usd": odd}
    response = client.get("/may-i", asked)
    assert response.status_code == 200
    assert "Allowed: personal" in response.content.decode()
