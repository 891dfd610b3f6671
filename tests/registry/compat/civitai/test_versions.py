"""Versions by id and by hash: every kind, any case, and only what the caller may read."""

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Version
from registry.models.adapters import Visibility
from registry.services.review import version_review
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted, make_version
from tests.registry.compat.civitai.conftest import Ask, published
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
BY_HASH = "/api/v1/model-versions/by-hash"


def test_version_says_where_it_belongs(ask: Ask, rosa: User) -> None:
    version = published(rosa, "ink", seed=9)
    found = ask(f"/api/v1/model-versions/{version.pk}")
    assert (found["modelId"], found["status"]) == (version.adapter_id, "Published")
    assert found["air"] == f"urn:air:tinybase:lora:adapter-registry:{version.adapter_id}@{version.pk}"
    assert found["model"]["type"] == "LORA"


@pytest.mark.parametrize("kind", ["sha256", "autov2", "autov3", "blake3", "crc32"])
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_every_hash_finds_the_version_in_any_case(ask: Ask, rosa: User, kind: str, change: object) -> None:
    version = published(rosa, "ink", seed=9)
    value = getattr(version.files.get(), kind)
    assert ask(f"{BY_HASH}/{change(value)}")["id"] == version.pk  # type: ignore[operator]


def test_short_autov3_finds_the_version(ask: Ask, rosa: User) -> None:
    version = published(rosa, "ink", seed=9)
    assert ask(f"{BY_HASH}/{version.files.get().autov3[:12]}")["id"] == version.pk


@pytest.mark.parametrize("value", ["0" * 64, "f" * 8, "zz", "a", "0" * 65])
def test_unknown_hash_is_not_found(ask: Ask, rosa: User, value: str) -> None:
    published(rosa, "ink", seed=9)
    assert ask(f"{BY_HASH}/{value}", expect=404)["error"] == "Model not found"


def test_hash_tells_nobody_of_what_is_private_or_unpublished(ask: Ask, client: Client, rosa: User) -> None:
    hidden = published(rosa, "hidden", seed=9, visibility=Visibility.PRIVATE).files.get()
    waiting = make_submitted(actor=rosa, name="waiting", content=lora_bytes(seed=10))
    for value in (hidden.sha256, hidden.autov2, hidden.autov3[:12], hidden.crc32):
        assert ask(f"{BY_HASH}/{value}", expect=404)["error"] == "Model not found"
    body = [hidden.sha256]
    assert client.post(BY_HASH, body, content_type="application/json").json() == []
    assert client.post(f"{BY_HASH}/ids", body, content_type="application/json").json() == []
    owner = Client()
    owner.force_login(rosa)
    assert ask(f"{BY_HASH}/{hidden.sha256}", by=owner)["id"] == hidden.version_id
    assert ask(f"/api/v1/model-versions/{waiting.pk}", by=owner, expect=404)["error"]


def test_earliest_published_version_wins(ask: Ask, client: Client, rosa: User) -> None:
    first = published(rosa, "first", seed=9)
    copy = make_version(actor=rosa, name="second", content=lora_bytes(seed=9))
    mona = make_user("mona", is_moderator=True)
    version_review(version=copy, actor=mona, approve=True, public_reasoning="Both are hers.")
    value = first.files.get().sha256
    assert copy.files.get().sha256 == value
    assert ask(f"{BY_HASH}/{value}")["id"] == first.pk
    Version.objects.filter(pk=copy.pk).update(published_at=first.created_at.replace(year=2020))
    assert ask(f"{BY_HASH}/{value}")["id"] == copy.pk
    (found,) = client.post(BY_HASH, [value], content_type="application/json").json()
    assert found["id"] == copy.pk


def test_many_hashes_are_answered_in_the_order_asked(client: Client, several: list[Version]) -> None:
    files = [version.files.get() for version in several]
    asked = [files[2].sha256.upper(), "0" * 64, files[0].sha256]
    found = client.post(BY_HASH, asked, content_type="application/json").json()
    assert [one["id"] for one in found] == [several[2].pk, several[0].pk]
    mixed = [files[1].autov2, files[0].crc32.upper(), files[2].autov3[:12], "nothing", files[0].blake3]
    ids = client.post(f"{BY_HASH}/ids", mixed, content_type="application/json").json()
    assert [(one["modelVersionId"], one["hash"]) for one in ids] == [
        (several[1].pk, mixed[0]),
        (several[0].pk, mixed[1]),
        (several[2].pk, mixed[2]),
        (several[0].pk, mixed[4]),
    ]
    assert {one["modelId"] for one in ids} == {version.adapter_id for version in several}


@pytest.mark.parametrize("body", [{"a": 1}, ["x", 1], ["0" * 64] * 101])
def test_list_of_hashes_that_is_none_is_refused(client: Client, db: None, body: object) -> None:
    response = client.post(BY_HASH, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]
