"""The upload page: a plain form that works without a script, and the second half of the resumable way."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from registry.models import Adapter, Upload, Version
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import catalogue, declaration, inspect_and_screen, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
UPLOAD = "/upload"


@pytest.fixture
def ada(client: Client) -> User:
    catalogue()
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def _form(actor: User, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "owner": actor.namespace.pk,
        "name": "style",
        "title": "A Style",
        "description": "Words",
        "tags": "red, blue,, ",
        "visibility": "public",
        "content_level": "general",
        "base_model": "tinybase",
        "licence": "apache-2.0",
        "commercial_use": ["image"],
        "trigger_words": "sks, style",
        "strength": "0.8",
        "relation": "merge",
        "preview_prompt": "a circle",
        "training_sources": "Drawn by hand.",
        "depicts_real_person": "no",
        "rights": "on",
        "rights_edition": declaration().rights_edition,
    }
    form = given | changes
    return {name: value for name, value in form.items() if value is not None}


def _file(content: bytes | None = None, name: str = "style.safetensors") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, lora_bytes() if content is None else content)


def test_form_shows_the_statement_the_catalogues_and_the_room(client: Client, ada: User) -> None:
    page = client.get(UPLOAD).content.decode()
    for part in (declaration().rights_edition, "Tinybase", "Apache", 'enctype="multipart/form-data"', "upload.js"):
        assert part in page


def test_form_without_a_script_makes_a_version(client: Client, ada: User) -> None:
    response = client.post(UPLOAD, _form(ada, file=_file()))
    assert response.status_code == 302, response.content.decode()
    assert response["Location"] == "/ada/style/v/1"
    version = Version.objects.get()
    assert version.state == VersionState.SCANNING
    assert (version.strength, version.trigger_words, version.preview_prompts) == (0.8, ["sks", "style"], ["a circle"])
    assert sorted(tag.name for tag in version.adapter.tags.all()) == ["blue", "red"]
    inspect_and_screen(version_id=version.pk)
    assert client.get(response["Location"]).status_code == 200
    assert Version.objects.get().state == VersionState.PUBLISHED


def test_form_takes_an_upload_that_came_before_it(client: Client, ada: User) -> None:
    upload = make_upload(actor=ada)
    assert client.post(UPLOAD, _form(ada, upload_id=str(upload.pk))).status_code == 302
    assert Version.objects.get().upload == upload


def test_upload_of_somebody_else_is_none(client: Client, ada: User) -> None:
    upload = make_upload(actor=make_user("bob"))
    response = client.post(UPLOAD, _form(ada, upload_id=str(upload.pk)))
    assert response.status_code == 422
    assert "no such upload" in response.content.decode()
    assert not Version.objects.exists()


MISSING = ["name", "base_model", "licence", "training_sources", "depicts_real_person", "rights", "strength", "owner"]


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_named_beside_its_field(client: Client, ada: User, name: str) -> None:
    response = client.post(UPLOAD, _form(ada, file=_file(), **{name: None}))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [name]
    assert not Adapter.objects.exists()
    assert not Upload.objects.exists()


WRONG = {
    "name": ["-x", "A b", "a/b", "a--b", "é", "x" * 61],
    "strength": ["9", "x", "nan", "inf"],
    "base_model": ["nothing"],
    "licence": ["gpl"],
    "visibility": ["secret"],
    "depicts_real_person": ["perhaps"],
    "owner": ["0", "x", "²"],
    "upload_id": ["x"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_is_wrong_is_named_beside_its_field(client: Client, ada: User, name: str, value: str) -> None:
    response = client.post(UPLOAD, _form(ada, file=_file(), **{name: value}))
    assert response.status_code == 422
    assert name in response.context["form"].errors
    assert not Adapter.objects.exists()


def test_old_edition_of_the_statement_is_not_affirmed(client: Client, ada: User) -> None:
    response = client.post(UPLOAD, _form(ada, file=_file(), rights_edition="1999-01"))
    assert response.status_code == 422
    assert not Version.objects.exists()


def test_file_is_needed_and_an_empty_one_is_none(client: Client, ada: User) -> None:
    assert "file" in client.post(UPLOAD, _form(ada)).context["form"].errors
    assert "file" in client.post(UPLOAD, _form(ada, file=_file(b""))).context["form"].errors


def test_full_quota_is_said_on_the_page(client: Client, ada: User, settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 10
    response = client.post(UPLOAD, _form(ada, file=_file()))
    assert response.status_code == 422
    assert "are left for ada" in response.content.decode()


@pytest.mark.parametrize(("role", "may"), [("maintainer", True), ("member", True), ("reader", False)])
def test_owner_can_be_an_organisation_that_one_contributes_to(client: Client, ada: User, role: str, may: bool) -> None:
    studio = make_organisation(make_user("boss"), "studio", {role: ada}).namespace
    assert (f'value="{studio.pk}"' in client.get(UPLOAD).content.decode()) is may
    response = client.post(UPLOAD, _form(ada, owner=studio.pk, file=_file()))
    assert response.status_code == (302 if may else 422)


def test_new_version_of_a_strangers_adapter_cannot_be_prepared(client: Client, ada: User) -> None:
    bob = make_user("bob")
    make_version(actor=bob, title="Bob's own")
    for place in ({"owner": bob.namespace.pk, "name": "style"}, {"owner": "²", "name": "\x00"}, {"owner": "9" * 40}):
        response = client.get(UPLOAD, place)
        assert response.status_code == 200
        assert "own" not in str(response.context["form"].initial.get("title", ""))


def test_refused_file_is_explained_on_its_page(client: Client, ada: User) -> None:
    client.post(UPLOAD, _form(ada, file=_file(b"PK\x03\x04" + bytes(100), "model.safetensors")))
    version = Version.objects.get()
    inspect_and_screen(version_id=version.pk)
    page = client.get("/ada/style/v/1").content.decode()
    detail = Version.objects.get().state_detail
    for part in ("what", "why", "remedy"):
        assert detail[part][:20] in page
