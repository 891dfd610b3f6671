"""Lineage as uploaders declare it: by address, bound by the parents' licences, silent about private ones."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import NotFound
from accounts.models import User
from governance.policy import Outcome
from registry.errors import DeclarationIncomplete
from registry.models import Lineage, Version
from registry.models.adapters import Visibility
from registry.models.versions import Relation
from registry.selectors.parents import version_at
from registry.services.versions import Parent
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import catalogue, declaration, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def parent(ada: User) -> Version:
    return make_version(actor=ada, name="parent", declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})


@pytest.mark.parametrize(
    "address",
    ["ada/parent", "ada/parent/v/1", " Ada/Parent v1 ", "https://registry.example/ada/parent/v/1", "ada/parent/"],
)
def test_version_is_found_by_every_spelling(ada: User, parent: Version, address: str) -> None:
    assert version_at(actor=ada, address=address) == parent


@pytest.mark.parametrize("address", ["", "parent", "ada/other", "ada/parent/v/2", "a b/c", "ada/parent/v/x", "/" * 200])
def test_unknown_address_is_not_found(ada: User, parent: Version, address: str) -> None:
    with pytest.raises(NotFound):
        version_at(actor=ada, address=address)


def test_child_is_bound_by_the_licence_of_its_parent(ada: User, parent: Version) -> None:
    free = make_version(actor=ada, name="free", content=lora_bytes(seed=2))
    child = make_version(
        actor=ada,
        name="child",
        content=lora_bytes(seed=3),
        declared={"parents": (Parent(parent.pk, Relation.MERGE, 0.5),)},
    )
    answer = {version.pk: version.permissions["uses"]["commercial-outputs"]["outcome"] for version in (free, child)}
    assert answer[free.pk] == Outcome.ALLOW.value
    assert answer[child.pk] != Outcome.ALLOW.value
    assert Lineage.objects.get().weight == pytest.approx(0.5)


def test_parent_out_of_sight_is_refused_and_nothing_is_kept(ada: User, parent: Version) -> None:
    parent.adapter.visibility = Visibility.PRIVATE
    parent.adapter.listed = False
    parent.adapter.save()
    with pytest.raises(DeclarationIncomplete, match="does not exist"):
        make_version(actor=make_user("bob"), name="child", declared={"parents": (Parent(parent.pk, Relation.MERGE),)})
    assert Version.objects.count() == 1


def test_unknown_relation_is_refused(ada: User, parent: Version) -> None:
    with pytest.raises(DeclarationIncomplete):
        make_version(actor=ada, name="child", declared={"parents": (Parent(parent.pk, "cousin"),)})


def test_private_parent_binds_but_is_not_named(client: Client, ada: User) -> None:
    studio = make_organisation(ada, "studio")
    secret = make_version(
        actor=ada, namespace=studio.namespace, name="secret-style", visibility=Visibility.PRIVATE,
        declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()},
    )  # fmt: skip
    child = make_version(
        actor=ada,
        name="child",
        content=lora_bytes(seed=3),
        declared={
            "licence_id": "cc-by-nc-4.0",
            "commercial_use": (),
            "parents": (Parent(secret.pk, Relation.MERGE),),
        },
    )
    assert child.permissions["uses"]["commercial-outputs"]["outcome"] != Outcome.ALLOW.value
    page = client.get(reverse("version", args=["ada", "child", 1])).content.decode()
    answer = client.get(reverse("api_version", args=["ada", "child", 1])).content.decode()
    for text in (page, answer):
        assert "secret-style" not in text
        assert "that is not public" in text
    client.force_login(ada)
    assert "studio/secret-style" in client.get(reverse("version", args=["ada", "child", 1])).content.decode()


def test_form_takes_addresses_and_says_which_is_wrong(client: Client, ada: User, parent: Version) -> None:
    client.force_login(ada)
    form = {
        "owner": ada.namespace.pk,
        "name": "child",
        "upload_id": str(make_upload(actor=ada, content=lora_bytes(seed=3)).pk),
        "base_model": "tinybase",
        "licence": "apache-2.0",
        "visibility": "public",
        "content_level": "general",
        "strength": "1",
        "training_sources": "Two others.",
        "depicts_real_person": "no",
        "rights": "on",
        "rights_edition": declaration().rights_edition,
        "relation": "merge",
    }
    wrong = client.post(reverse("upload"), {**form, "parents": "ada/parent\nada/nothing"})
    assert wrong.status_code == 422
    text = wrong.content.decode()
    assert "no adapter ada/nothing" in text
    assert "has arrived already" in text
    right = client.post(reverse("upload"), {**form, "parents": "ada/parent\n\nada/parent/v/1"})
    assert right["Location"] == reverse("version", args=["ada", "child", 1])
    assert Lineage.objects.get().parent == parent


def test_form_for_a_new_version_holds_what_was_declared_before(client: Client, ada: User, parent: Version) -> None:
    address = f"{reverse('upload')}?owner={ada.namespace.pk}&name=parent"
    client.force_login(ada)
    initial = client.get(address).context["form"].initial
    assert initial["licence"] == "cc-by-nc-4.0"
    assert initial["base_model"] == "tinybase"
    client.force_login(make_user("bob"))
    assert "licence" not in client.get(address).context["form"].initial


def test_api_takes_parents_and_shows_them(client: Client, ada: User, parent: Version) -> None:
    catalogue()
    _, secret = make_token(ada)
    headers = {"Authorization": f"Bearer {secret}"}
    body = {
        "upload": str(make_upload(actor=ada, content=lora_bytes(seed=3)).pk),
        "base_model": "tinybase",
        "licence_id": "apache-2.0",
        "training_sources": "Two others.",
        "depicts_real_person": False,
        "rights_edition": declaration().rights_edition,
        "parents": [{"address": "ada/parent", "relation": "merge", "weight": 0.7}],
    }
    url = reverse("api_versions", args=["ada", "child"])
    made = client.post(url, body, content_type="application/json", headers=headers)
    assert made.status_code == 201, made.content
    assert made.json()["parents"] == [{"address": "ada/parent/v/1", "relation": "merge", "weight": 0.7}]
    many = {**body, "parents": body["parents"] * 21}
    refused = client.post(url, many, content_type="application/json", headers=headers)
    assert refused.status_code == 400
    assert "at most 20" in refused.content.decode()
