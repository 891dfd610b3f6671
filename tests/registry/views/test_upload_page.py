"""The upload page: a new version of what exists, and honest words about what is kept."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Namespace, User
from registry.models import Adapter, Version
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import catalogue, declaration, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    catalogue()
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def _place(version: Version) -> dict[str, Any]:
    return {"owner": version.adapter.owner_id, "name": version.adapter.name}


def _sent(owner: object, name: str, **changes: Any) -> dict[str, Any]:
    given = {
        "owner": owner, "name": name, "visibility": "public", "content_level": "general", "base_model": "tinybase",
        "licence": "apache-2.0", "strength": "1", "relation": "merge", "training_sources": "Drawn.",
        "depicts_real_person": "no", "rights": "on", "rights_edition": declaration().rights_edition,
    }  # fmt: skip
    return {**given, **changes}


def test_new_version_hides_what_belongs_to_the_adapter(client: Client, ada: User) -> None:
    version = make_version(actor=ada, title="Old title", tags=["old"])
    text = client.get("/upload", _place(version)).content.decode()
    assert "Upload a new version of Old title" in text
    assert '/ada/style/edit"' in text
    for name in ("title", "description", "tags"):
        assert f'name="{name}"' not in text
    assert 'data-slug="ada"' in text


def test_new_version_is_submitted_and_leaves_the_adapter_as_it_was(client: Client, ada: User) -> None:
    version = make_version(actor=ada, title="Old title", tags=["old"], description="Words.", visibility="private")
    file = SimpleUploadedFile("b.safetensors", lora_bytes(seed=2))
    sent = _sent(version.adapter.owner_id, "style", visibility="private", file=file)
    assert client.post("/upload", sent)["Location"] == "/ada/style/v/2"
    adapter = Adapter.objects.get()
    assert (adapter.title, adapter.tag_names, adapter.description) == ("Old title", ["old"], "Words.")


def test_member_who_may_not_edit_gets_no_link_to_it(client: Client, ada: User) -> None:
    studio = make_organisation(make_user("boss"), members={"member": ada})
    version = make_version(actor=User.objects.get(username="boss"), namespace=studio.namespace)
    text = client.get("/upload", _place(version)).content.decode()
    assert "/studio/style/edit" not in text
    assert "its maintainers change them" in text


@pytest.mark.parametrize("owner", ["x", "9" * 30, "-1", "²", ""])
def test_owner_that_is_none_gives_the_plain_form(owner: str, client: Client, ada: User) -> None:
    assert 'name="title"' in client.get("/upload", {"owner": owner, "name": "style"}).content.decode()


def test_adapter_of_somebody_else_is_not_shown(client: Client, ada: User) -> None:
    version = make_version(actor=make_user("bob"), title="Secret title", visibility="private")
    text = client.get("/upload", _place(version)).content.decode()
    assert "Secret title" not in text
    assert 'name="title"' in text


def test_words_about_what_is_kept_fit_the_file(client: Client, ada: User) -> None:
    own = Namespace.objects.get(user=ada).pk
    wrong = _sent(own, "style", licence="")
    file = SimpleUploadedFile("b.safetensors", lora_bytes())
    without = client.post("/upload", {**wrong, "file": file})
    assert without.status_code == 422
    assert "only the file has to be chosen again" in without.content.decode()
    arrived = client.post("/upload", {**wrong, "upload_id": str(make_upload(actor=ada).pk)})
    assert "the file need not be sent again" in arrived.content.decode()
    assert "chosen again" not in arrived.content.decode()
