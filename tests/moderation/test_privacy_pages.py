"""Pages of one's own data: who may see them, the password again, and what they say."""

import io
import re
import zipfile
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from moderation.models import DataExport
from moderation.services.data_export import export_make
from tests.factories.accounts import PASSWORD, make_organisation, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def test_pages_of_the_account_ask_to_sign_in(client: Client) -> None:
    for path in ("/account/privacy", "/account/erase"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/sign-in?next={path}")


def test_public_page_tells_the_periods_of_the_settings(client: Client) -> None:
    page = client.get("/privacy").content.decode()
    assert "How long what is kept" in page
    assert "190 days after the decision" in page


def test_wrong_address_is_said_on_the_form(client: Client) -> None:
    answer = client.post("/privacy", {"email": "nonsense"})
    assert answer.status_code == 422
    assert "Enter a valid email address" in answer.content.decode()


def test_copy_is_shown_while_it_is_made_and_can_be_fetched_by_its_owner_alone(client: Client, ada: User) -> None:
    assert client.post("/account/privacy").status_code == 302
    export = DataExport.objects.get(user=ada)
    status = f"/privacy/exports/{export.public_id}"
    assert f'hx-get="{status}"' in client.get("/account/privacy").content.decode()
    assert client.get(f"{status}/file").status_code == 404
    export_make(export_id=export.pk)
    done = client.get(status).content.decode()
    assert "hx-get" not in done
    answer = client.get(f"{status}/file")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
        assert "account.json" in zipped.namelist()
    for stranger in (Client(), _signed_in()):
        assert stranger.get(status).status_code == 404
        assert stranger.get(f"{status}/file").status_code == 404


def _signed_in() -> Client:
    client = Client()
    client.force_login(make_user("eve"))
    return client


def test_too_many_copies_are_refused_with_what_to_do(client: Client, ada: User, settings: Any) -> None:
    settings.EXPORTS_A_DAY = 1
    client.post("/account/privacy")
    export_make(export_id=DataExport.objects.get().pk)
    answer = client.post("/account/privacy")
    assert answer.status_code == 429
    assert "Wait 24 hours" in answer.content.decode()


@pytest.mark.parametrize(
    "sent", [{}, {"password": PASSWORD}, {"sure": "on"}, {"password": "wrong", "sure": "on"}], ids=str
)
def test_account_is_not_deleted_without_the_password_and_being_sure(
    client: Client, ada: User, sent: dict[str, str]
) -> None:
    assert client.post("/account/erase", sent).status_code == 422
    assert User.objects.get(pk=ada.pk).is_active


def test_password_cannot_be_guessed_here_either(client: Client, ada: User) -> None:
    for _ in range(8):
        client.post("/account/erase", {"password": "wrong", "sure": "on"})
    answer = client.post("/account/erase", {"password": PASSWORD, "sure": "on"})
    assert "Too many attempts" in answer.content.decode()
    assert User.objects.get(pk=ada.pk).is_active


def test_deleted_account_is_signed_out_and_what_was_ticked_stays_public(client: Client, ada: User) -> None:
    left, gone = make_version(actor=ada), make_version(actor=ada, name="other", content=lora_bytes(seed=2))
    assert "ada/style" in client.get("/account/erase").content.decode()
    sent = {"password": PASSWORD, "sure": "on", "left_public": [left.adapter_id]}
    assert client.post("/account/erase", sent).headers["Location"] == "/privacy/erased"
    assert client.get("/account").status_code == 302
    assert client.get("/ada/style").status_code == 404
    left.adapter.owner.refresh_from_db()
    left.refresh_from_db()
    gone.refresh_from_db()
    assert (left.state, gone.state) == ("published", "withdrawn")
    for version in (left, gone):
        version.adapter.refresh_from_db()
        page = client.get(f"/{left.adapter.owner.slug}/{version.adapter.name}")
        assert page.status_code == 200
        assert not re.search(r"\bada\b", page.content.decode())


def test_other_browsers_are_signed_out_too(client: Client, ada: User) -> None:
    other = Client()
    other.force_login(ada)
    client.post("/account/erase", {"password": PASSWORD, "sure": "on"})
    assert other.get("/account").status_code == 302


def test_only_owner_is_told_what_to_do_first(client: Client, ada: User) -> None:
    make_organisation(ada)
    assert "You are the only owner of" in client.get("/account/erase").content.decode()
    answer = client.post("/account/erase", {"password": PASSWORD, "sure": "on"})
    assert answer.status_code == 422
    assert "Make somebody else an owner" in answer.content.decode()
    assert User.objects.get(pk=ada.pk).is_active
