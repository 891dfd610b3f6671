"""Absent and closed are one question to the database; what was held back or taken down shows nothing of itself."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from registry.models import Version, VersionImage
from registry.models.adapters import Visibility
from registry.selectors.access import adapter_permissions
from registry.selectors.visibility import adapters_readable_by, version_readable
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

CSRF_TOKEN = re.compile(rb"\b[A-Za-z0-9]{64}\b")
pytestmark = pytest.mark.django_db


def _picture(version: Version) -> VersionImage:
    return VersionImage.objects.create(
        version=version, row=0, column=0, prompt="a circle", seed=1, steps=1, guidance=1, strength=1,
        base_model="tinybase", width=64, height=64, storage_key="images/none.png", sha256="0" * 64,
    )  # fmt: skip


def _number_of_queries(client: Client, address: str) -> tuple[int, bytes]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get(address)
    assert response.status_code == 404
    return len(queries), CSRF_TOKEN.sub(b"", response.content)


@pytest.mark.parametrize("who", ["guest", "stranger"])
@pytest.mark.parametrize(
    "address",
    [
        lambda name: reverse("adapter", args=["ada", name]),
        lambda name: reverse("version", args=["ada", name, 1]),
        lambda name: reverse("previews", args=["ada", name, 1]),
        lambda name: reverse("api_adapter", args=["ada", name]),
        lambda name: reverse("api_version", args=["ada", name, 1]),
    ],
)
def test_absent_and_private_ask_the_database_alike(client: Client, who: str, address: Callable[[str], str]) -> None:
    make_version(actor=make_user("ada"), name="secret", visibility=Visibility.PRIVATE)
    if who == "stranger":
        client.force_login(make_user("bob"))
    client.get("/")  # what a session asks for the first time
    private = _number_of_queries(client, address("secret"))
    absent = _number_of_queries(client, address("nopsie"))
    assert private[0] == absent[0]
    assert private[1].replace(b"secret", b"nopsie") == absent[1]


def test_picture_of_a_private_version_is_as_absent_as_none(client: Client) -> None:
    version = make_version(actor=make_user("ada"), visibility=Visibility.PRIVATE)
    picture = _picture(version)
    client.force_login(make_user("bob"))
    client.get("/")
    closed = _number_of_queries(client, reverse("image", args=[picture.pk]))
    absent = _number_of_queries(client, reverse("image", args=[version.public_id]))
    assert closed[0] == absent[0]


def _moderated(version: Version, to: VersionState) -> None:
    version_transition(version=version, to=to, actor=None, detail={"code": "test", "what": "Held back."})


def test_quarantine_hides_the_adapter_with_its_title(client: Client) -> None:
    version = make_version(actor=make_user("ada"), title="Unspeakable")
    assert client.get("/ada/style").status_code == 200
    _moderated(version, VersionState.QUARANTINED)
    assert client.get("/ada/style").status_code == 404
    client.force_login(version.created_by)
    assert client.get("/ada/style").status_code == 200


def test_quarantine_of_the_newest_leaves_the_older_one(client: Client) -> None:
    ada = make_user("ada")
    make_version(actor=ada)
    second = make_version(actor=ada, content=lora_bytes(seed=2))
    _moderated(second, VersionState.QUARANTINED)
    page = client.get("/ada/style")
    assert page.context["version"].number == 1
    assert client.get("/ada/style/v/2").status_code == 404


def test_takedown_leaves_a_notice_without_pictures_or_words(client: Client) -> None:
    version = make_version(
        actor=make_user("ada"), description="A forbidden text", tags=["forbidden-tag"],
        declared={"trigger_words": ("forbidden-word",), "notes": "forbidden notes"},
    )  # fmt: skip
    picture = _picture(version)
    _moderated(version, VersionState.TAKEN_DOWN)
    page = client.get("/ada/style/v/1")
    assert page.status_code == 200
    answer = client.get(reverse("api_version", args=["ada", "style", 1]))
    for content in (page.content, answer.content):
        assert b"orbidden" not in content
        assert b"Held back." in content
        assert str(picture.pk).encode() not in content
    assert client.get(reverse("image", args=[picture.pk])).status_code == 404
    client.force_login(version.created_by)
    assert client.get(reverse("image", args=[picture.pk])).status_code == 404


def _cast() -> dict[str, User]:
    people = {name: make_user(name) for name in ("owner", "maintainer", "member", "reader", "uploader", "stranger")}
    people["moderator"] = make_user("mona", is_moderator=True)
    roles = {name: people[name] for name in ("maintainer", "member", "reader")}
    make_organisation(people["owner"], "studio", {**roles})
    people["studio-member"] = people["member"]
    return people


@pytest.mark.parametrize("visibility", list(Visibility))
@pytest.mark.parametrize("state", ["published", "quarantined", "taken-down", "withdrawn", "in-review"])
def test_database_and_roles_agree_for_everybody(visibility: str, state: str) -> None:
    people = _cast()
    namespace = people["owner"].memberships.get().organisation.namespace
    version = make_version(actor=people["maintainer"], namespace=namespace, visibility=visibility)
    if state != "published":
        _moderated(version, VersionState(state))
    found: dict[str, Any] = {}
    for name, person in people.items():
        by_role = bool(adapter_permissions(person, version.adapter))
        by_query = adapters_readable_by(person).filter(pk=version.adapter_id).exists()
        found[name] = by_role == by_query
        if version_readable(person, version):
            assert by_query, f"{name} reads a version of an adapter that they may not read"
    assert all(found.values()), found
