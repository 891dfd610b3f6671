"""Sidecars: what each tool finds beside a delivered file, and who may have it."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.models import User
from governance.policy import Use
from registry.compat.sidecars.archive import sidecars_zip
from registry.models import Receipt, Version, VersionImage
from registry.services.delivery import gate_accept, gate_ask
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
WORDS = ("dotted", "blue dots")


@pytest.fixture
def version() -> Version:
    declared = {"trigger_words": WORDS, "strength": 0.8, "notes": "Use *gently*."}
    return make_version(
        actor=make_user("rosa"), name="dots", filename="dots.safetensors", title="Dots", description="Draws **dots**.",
        tags=["dots"], declared=declared,
    )  # fmt: skip


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def receipt(version: Version, bob: User) -> Receipt:
    asked: dict[str, Any] = {"actor": bob, "organisation": None, "version": version, "use": Use.PERSONAL}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


def preview_of(version: Version, *, screened: bool = True) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(made, "PNG")
    key = default_storage.save("previews/red.png", ContentFile(made.getvalue()))
    VersionImage.objects.create(
        version=version, row=0, column=0, prompt="a dot", seed=1, steps=1, guidance=1, strength=1,
        base_model="tinybase",
        width=8, height=8, storage_key=key, sha256="0" * 64, screened_at=timezone.now() if screened else None,
    )  # fmt: skip
    return made.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_archive_holds_what_each_tool_looks_for(receipt: Receipt, bob: User, version: Version) -> None:
    picture = preview_of(version)
    files = unpacked(sidecars_zip(actor=bob, receipt=receipt))
    info, metadata, a1111 = (json.loads(files[f"dots{end}"]) for end in (".civitai.info", ".metadata.json", ".json"))
    file = version.files.get()
    assert (info["id"], info["trainedWords"], info["baseModel"]) == (version.pk, list(WORDS), metadata["base_model"])
    assert info["files"][0]["hashes"]["SHA256"] == file.sha256.upper()
    assert info["extensions"]["sd_civitai_helper"]["skeleton_file"] is False
    assert (metadata["file_name"], metadata["sha256"], metadata["size"]) == ("dots", file.sha256, file.size)
    assert metadata["civitai"] == info
    assert json.loads(metadata["usage_tips"]) == {"strength": 0.8}
    assert (a1111["activation text"], a1111["preferred weight"]) == ("dotted, blue dots", 0.8)
    assert a1111["description"] == "Draws dots."
    assert files[metadata["preview_url"]] == picture
    assert files["dots.NOTICE.txt"].decode() == receipt.notice
    assert json.loads(files["dots.receipt.json"]) == receipt.body


def test_same_receipt_gives_the_same_bytes(receipt: Receipt, bob: User) -> None:
    assert sidecars_zip(actor=bob, receipt=receipt) == sidecars_zip(actor=bob, receipt=receipt)


def test_picture_that_is_not_screened_yet_stays_out(receipt: Receipt, bob: User, version: Version) -> None:
    preview_of(version, screened=False)
    files = unpacked(sidecars_zip(actor=bob, receipt=receipt))
    assert not any(name.endswith(".png") for name in files)
    assert json.loads(files["dots.metadata.json"])["preview_url"] == ""


def test_nothing_is_given_out_once_the_version_is_withdrawn(receipt: Receipt, bob: User, client: Client) -> None:
    version_withdraw(version=receipt.file.version, actor=receipt.file.version.created_by, reason="No more.")
    client.force_login(bob)
    for name in ("receipt_sidecars", "api_receipt_sidecars"):
        assert client.get(reverse(name, args=[receipt.pk])).status_code == 410


def test_page_and_gate_answer_lead_to_the_archive(version: Version, bob: User, client: Client) -> None:
    secret = make_token(bob, scopes=["read", "download"])[1]
    gate = reverse("api_download", args=["rosa", "dots", 1])
    sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {secret}"}, "content_type": "application/json"}
    terms = client.post(gate, {"use": "personal"}, **sent).json()["terms"]["digest"]
    answer = client.post(gate, {"use": "personal", "accepted_terms": terms}, **sent).json()
    path = answer["sidecars_url"].removeprefix("http://testserver")
    response = client.get(path, headers=sent["headers"])
    assert response["Content-Disposition"] == 'attachment; filename="dots.sidecars.zip"'
    assert "dots.civitai.info" in unpacked(response.content)
    client.force_login(bob)
    page = client.post(reverse("gate", args=["rosa", "dots", 1]), {"use": "personal", "step": "accept", "terms": terms})
    assert "/sidecars.zip" in page.content.decode()
